# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of strangers: bombs and disguises get a typed answer quickly, and the decoder stays small."""

import io
import os
import statistics
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from limbeck.errors import LimbeckError
from limbeck.pictures import MAX_PIXELS, read_picture
from limbeck_server.decoder import PictureDecoder

MAX_MEMORY_BYTES = 512 << 20


@pytest.fixture(scope="module")
def decoder() -> Iterator[PictureDecoder]:
    """Give a decoder that is warm."""
    with PictureDecoder() as warm:
        warm.read(encoded(disc()), "disc")
        yield warm


def disc(size: int = 64) -> Image.Image:
    image = Image.new("RGBA", (size, size))
    image.paste((255, 0, 0, 255), (size // 4, size // 4, size * 3 // 4, size * 3 // 4))
    return image


def encoded(image: Image.Image, file_format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def png(width: int, height: int, *, rows: int, extra: bytes = b"") -> bytes:
    """Return a grey PNG that claims a size and holds so many rows of zeros."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(width + 1)) for _ in range(rows)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    content = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    return struct.pack(">I", len(content)) + b"zTXt" + content + struct.pack(">I", zlib.crc32(b"zTXt" + content))


REFUSED = {
    "900 megapixels claimed": lambda: png(30_000, 30_000, rows=1),
    "144 megapixels of zeros": lambda: png(12_000, 12_000, rows=12_000),
    "one row too many": lambda: png(8_000, MAX_PIXELS // 8_000 + 1, rows=1),
    "a tower": lambda: png(16, 2**31 - 1, rows=1),
    "compressed text of 200 MB": lambda: png(64, 64, rows=64, extra=text_bomb()),
    "GIF called PNG": lambda: encoded(disc().convert("RGB"), "GIF"),
    "TIFF called PNG": lambda: encoded(disc(), "TIFF"),
    "BMP called PNG": lambda: encoded(disc().convert("RGB"), "BMP"),
    "EPS called PNG": lambda: encoded(disc().convert("RGB"), "EPS"),
    "ICO called PNG": lambda: encoded(disc(), "ICO"),
    "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "half a PNG": lambda: encoded(disc(400))[:300],
    "nothing": lambda: b"",
    "zeros": lambda: bytes(1_000_000),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bombs_and_disguises_get_a_typed_answer(decoder: PictureDecoder, name: str) -> None:
    content = REFUSED[name]()
    with pytest.raises(LimbeckError) as refusal:
        decoder.read(content, "evil.png")
    assert refusal.value.code == "E_IMAGE"
    assert "evil.png" in refusal.value.message


def test_refusals_take_a_fraction_of_a_second_when_warm(decoder: PictureDecoder) -> None:
    contents = [make() for make in REFUSED.values()]
    seconds = []
    for content in contents:
        started = time.perf_counter()
        with pytest.raises(LimbeckError):
            decoder.read(content, "evil.png")
        seconds.append(time.perf_counter() - started)
    # The median: this machine may be busy. benchmarks/wire.py prints every figure.
    assert statistics.median(seconds) < 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of another process, which Linux alone tells")
@pytest.mark.parametrize("mode", ["RGBA", "P", "I;16", "L", "CMYK"])
def test_the_largest_pictures_are_decoded_in_half_a_gigabyte(mode: str) -> None:
    side = 5600
    image = Image.new(mode, (side, side)) if mode != "RGBA" else Image.new(mode, (side, side), (9, 9, 9, 128))
    content = encoded(image, "JPEG" if mode == "CMYK" else "PNG", **({} if mode == "CMYK" else {"compress_level": 1}))
    with PictureDecoder(timeout_s=60.0) as decoder:
        pixels = decoder.read(content, "large.png")
        assert pixels.shape == (1024, 1024, 4)
        status = Path(f"/proc/{decoder.pid}/status").read_text()
        peak_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    assert peak_kb * 1024 < MAX_MEMORY_BYTES


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP"])
def test_the_child_sees_what_this_process_would(decoder: PictureDecoder, file_format: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
    content = encoded(Image.fromarray(noise), file_format)
    np.testing.assert_array_equal(decoder.read(content, "it"), read_picture(content, "it"))


def test_a_child_that_dies_or_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    content = encoded(disc())
    with PictureDecoder(timeout_s=0.2) as decoder:
        decoder.read(content, "it")
        child = psutil.Process(decoder.pid)
        if os.name == "posix":
            child.suspend()
            with pytest.raises(LimbeckError, match=r"longer than 0\.2 s"):
                decoder.read(content, "it")
            decoder.read(content, "it")
        psutil.Process(decoder.pid).kill()
        psutil.Process(decoder.pid).wait()
        decoder.read(content, "it")  # a child that is gone is started again
    assert decoder.pid is None
