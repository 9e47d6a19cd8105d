# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Any picture as upright sRGB pixels, and the object in it cut out."""

from contextlib import suppress

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from limbeck.errors import LimbeckError
from limbeck.pictures import LONGEST_SIDE, MAX_PIXELS, cut_out, read_picture
from oracles.drawings import RED, disc, encoded, shuffled

WHITE = (255, 255, 255, 255)


def _read(image, file_format="PNG", **options):
    return read_picture(encoded(image, file_format, **options), "it")


def _code(content):
    with pytest.raises(LimbeckError) as refused:
        cut_out(read_picture(content, "it"), "it")
    assert refused.value.remedy
    return refused.value.code


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_alpha_is_kept(file_format):
    pixels = _read(disc(), file_format, lossless=True)
    np.testing.assert_array_equal(pixels[..., 3], np.asarray(disc())[..., 3])
    np.testing.assert_array_equal(pixels[24, 60], (*RED, 255))


@pytest.mark.parametrize("mode", ["P", "L", "LA", "1", "RGB", "CMYK"])
def test_every_kind_of_pixel_becomes_rgba(mode):
    image = disc(behind=WHITE).convert("RGB").convert(mode)
    pixels = _read(image, "JPEG" if mode == "CMYK" else "PNG")
    assert (pixels.shape, pixels.dtype) == ((64, 96, 4), np.uint8)
    assert pixels[2, 2].min() > 250
    if mode in ("P", "RGB", "CMYK"):
        # Pillow's palette has steps of 51 in each channel.
        np.testing.assert_allclose(pixels[24, 60, :3], RED, atol=26 if mode == "P" else 12)


def test_a_palettes_transparent_colour_is_transparent():
    image = disc(behind=WHITE).convert("RGB").quantize(2)
    white = image.getpixel((0, 0))
    pixels = _read(image, transparency=white)
    assert pixels[2, 2, 3] == 0
    assert pixels[24, 60, 3] == 255


def test_sixteen_bits_are_scaled_not_clipped():
    grey = Image.fromarray(np.full((20, 20), 32896, np.uint16))
    assert (_read(grey)[..., :3] == 128).all()


def test_a_turned_photograph_is_put_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held with its right side down
    pixels = _read(disc(behind=WHITE).convert("RGB"), "JPEG", exif=exif, quality=95)
    assert pixels.shape == (96, 64, 4)
    np.testing.assert_allclose(pixels[60, 64 - 24, :3], RED, atol=12)


def test_a_colour_profile_is_applied():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ"))
    for usable in (ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), profile):
        pixels = _read(disc(behind=WHITE), icc_profile=usable.tobytes())
        np.testing.assert_allclose(pixels[24, 60, :3], RED, atol=1)


def test_large_pictures_are_reduced_and_their_edges_stay_clean():
    """The transparent ground is green: bleeding would show in the edge's colour."""
    large = disc(3000, 2000, centre=(1500, 1000), radius=700, behind=(0, 255, 0, 0))
    pixels = _read(large)
    assert pixels.shape == (round(LONGEST_SIDE * 2 / 3), LONGEST_SIDE, 4)
    edge = pixels[(pixels[..., 3] > 60) & (pixels[..., 3] < 250)]
    assert len(edge) > 100
    # Premultiplied bytes at alpha 60 round to 255 / 60 / 2, about 2.
    np.testing.assert_allclose(edge[:, :3], np.broadcast_to(RED, (len(edge), 3)), atol=4)


def test_what_is_no_picture_is_refused():
    assert _code(b"") == "E_IMAGE"
    assert _code(b"no picture") == "E_IMAGE"
    assert _code(encoded(disc())[:80]) == "E_IMAGE"
    assert _code(encoded(disc().convert("RGB"), "BMP")) == "E_IMAGE"


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (MAX_PIXELS // 1000 + 1, 1000)])
def test_a_picture_of_an_impossible_size_is_refused_before_it_is_decoded(size):
    assert _code(encoded(Image.new("1", size))) == "E_IMAGE"


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_damaged_files_raise_nothing_but_typed_errors(file_format):
    content = encoded(disc(behind=WHITE).convert("RGB"), file_format, exif=Image.Exif())
    for seed in range(150):
        with suppress(LimbeckError):
            cut_out(read_picture(shuffled(content, seed), "it"), "it")


def test_a_picture_with_alpha_is_cut_out_already():
    pixels = np.asarray(disc())
    assert cut_out(pixels, "it") is pixels


def test_a_plain_background_is_taken_away():
    pixels = cut_out(np.asarray(disc(behind=(230, 235, 240, 255))), "it")
    np.testing.assert_array_equal(pixels[..., 3], np.asarray(disc())[..., 3])


def test_noise_of_jpeg_and_specks_are_no_object():
    image = disc(300, 200, centre=(150, 100), radius=60, behind=WHITE).convert("RGB")
    ImageDraw.Draw(image).rectangle((10, 10, 13, 13), fill=(0, 0, 0))
    pixels = cut_out(_read(image, "JPEG", quality=60), "it")
    expected = np.asarray(disc(300, 200, centre=(150, 100), radius=60))[..., 3]
    assert ((pixels[..., 3] > 0) != (expected > 0)).mean() < 0.02
    assert not pixels[5:20, 5:20, 3].any()


def test_what_has_the_grounds_colour_inside_the_object_stays():
    image = disc(behind=WHITE)
    ImageDraw.Draw(image).ellipse((56, 20, 64, 28), fill=WHITE)
    assert cut_out(np.asarray(image), "it")[24, 60, 3] == 255


def test_an_object_that_the_picture_cuts_off_is_cut_out():
    image = disc(centre=(48, 64), radius=24, behind=WHITE)
    pixels = cut_out(np.asarray(image), "it")
    np.testing.assert_array_equal(pixels[..., 3], np.asarray(disc(centre=(48, 64), radius=24))[..., 3])


def test_pictures_without_an_object_are_refused():
    assert _code(encoded(Image.new("RGBA", (40, 40)))) == "E_IMAGE_EMPTY"
    assert _code(encoded(Image.new("RGBA", (40, 40), (9, 9, 9, 3)))) == "E_IMAGE_EMPTY"
    assert _code(encoded(Image.new("RGB", (40, 40), (200, 200, 200)))) == "E_IMAGE_EMPTY"


def test_a_busy_background_is_refused_with_what_to_do():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    with pytest.raises(LimbeckError, match="PNG with transparency") as refused:
        cut_out(_read(Image.fromarray(noise)), "it")
    assert refused.value.code == "E_IMAGE_BACKGROUND"
