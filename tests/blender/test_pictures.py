# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels to a small PNG, and the size of a picture without reading it; Pillow is the judge."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from blender.addon import module
from blender.huge_picture import huge_png

pictures = module("pictures")


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(4))))
def test_png_holds_every_pixel(rgba: np.ndarray) -> None:
    with Image.open(io.BytesIO(pictures.encode_png(rgba))) as image:
        image.load()
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image), rgba)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(37, 21), (640, 480), (1, 3000)])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0" + b"x" * 20_000}])
def test_size_is_read_from_the_head(kind: str, size: tuple[int, int], options: dict[str, object]) -> None:
    content = io.BytesIO()
    Image.new("RGB", size, "red").save(content, kind, **options)
    assert pictures.size_of_head(content.getvalue()) == size


def test_transparent_webp_tells_its_size() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (300, 200), (1, 2, 3, 4)).save(content, "WEBP")
    assert pictures.size_of_head(content.getvalue()) == (300, 200)


@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"RIFF....WEBPVP8 ", b"RIFF....WEBPVP8X"]),
)
def test_any_other_bytes_have_no_size_or_some(content: bytes, start: bytes) -> None:
    size = pictures.size_of_head(start + content)
    assert size is None or len(size) == 2


def test_hundred_megapixels_are_known_from_the_head_alone(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    file.write_bytes(huge_png(10_000, 10_000))
    assert file.stat().st_size < 100
    assert pictures.size_of_file(file) == (10_000, 10_000)


@given(st.integers(1, 90), st.integers(1, 90))
def test_shrinking_keeps_the_shape_and_the_mean(width: int, height: int) -> None:
    pixels = np.random.default_rng(width * 100 + height).random((height, width, 4)).astype(np.float32)
    pixels[..., 3] = 1.0
    small = pictures.shrink(pixels, 16)
    assert max(small.shape[:2]) == min(16, max(width, height))
    assert small.min() >= pixels.min() - 1e-5
    assert small.max() <= pixels.max() + 1e-5
    if width % small.shape[1] == 0 and height % small.shape[0] == 0:
        assert np.allclose(small.mean((0, 1)), pixels.mean((0, 1)), atol=1e-4)


def test_hidden_colors_do_not_bleed() -> None:
    pixels = np.zeros((32, 32, 4), np.float32)
    pixels[..., 1] = 1.0  # green where nothing is seen
    pixels[:, :17] = (1.0, 0.0, 0.0, 1.0)
    small = pictures.shrink(pixels, 16)
    is_seen = small[..., 3] > 0
    assert np.allclose(small[is_seen][:, :3], (1, 0, 0), atol=1e-5)
    assert 0.4 < small[0, 8, 3] < 0.6


def test_light_is_encoded_and_nonsense_is_clipped() -> None:
    light = np.array([0.0, 0.002, 0.2140, 1.0, 7.0, -1.0, np.nan], np.float32)
    assert np.allclose(pictures.linear_to_srgb(light), [0, 0.02584, 0.5, 1, 1, 0, 0], atol=1e-3)
    assert pictures.to_bytes(np.array([np.nan, -1, 2, 0.5], np.float32)).tolist() == [0, 0, 255, 128]


def test_a_drawn_viewport_without_alpha_is_cut_out_by_depth() -> None:
    rgba = np.full((2, 2, 4), 255, np.uint8)
    depth = np.array([[1.0, 0.5], [0.999, 1.0]], np.float32)
    assert pictures.with_alpha_of_depth(rgba, depth)[..., 3].tolist() == [[0, 255], [255, 0]]


def test_a_drawn_viewport_with_alpha_keeps_it_with_straight_colors() -> None:
    rgba = np.array([[(100, 50, 0, 128), (0, 0, 0, 0)]], np.uint8)
    cut = pictures.with_alpha_of_depth(rgba, np.ones((1, 2), np.float32))
    assert cut[0, 0].tolist() == [199, 100, 0, 128]
    assert cut[0, 1, 3] == 0
