# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels to a small PNG, and the size of a picture file without reading it. Knows no bpy: Blender has no Pillow."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

LONGEST_SIDE = 1024
"""Larger pictures are reduced to this: priors see 64 to 1024 pixels."""
MAX_PIXELS = 32_000_000
HEAD_BYTES = 1 << 20
"""A JPEG may have thumbnails and profiles before the number of its pixels."""
_SIZED_JPEG = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
Rgba = npt.NDArray[np.uint8]


def size_of_file(path: Path) -> tuple[int, int] | None:
    """Return width and height that the head of a PNG, JPEG or WEBP tells; None for another kind of file.

    Raises:
        OSError: if the file cannot be read.
    """
    with path.open("rb") as file:
        return size_of_head(file.read(HEAD_BYTES))


def size_of_head(head: bytes) -> tuple[int, int] | None:
    """Return width and height that the first bytes of a PNG, JPEG or WEBP tell, or None."""
    try:
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack(">II", head[16:24])
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return _size_of_webp(head)
        if head.startswith(b"\xff\xd8"):
            return _size_of_jpeg(head)
    except (struct.error, IndexError):
        pass  # cut off
    return None


def shrink(pixels: npt.NDArray[np.float32], longest: int = LONGEST_SIDE) -> npt.NDArray[np.float32]:
    """Return a picture [H,W,4] whose longer side is at most ``longest``; means of premultiplied pixels.

    Premultiplied, or the hidden colours of transparent pixels would bleed into the object's edge.
    """
    height, width = pixels.shape[:2]
    factor = max(height, width) / longest
    if factor <= 1:
        return pixels
    rows, columns = (_starts(length, max(1, round(length / factor))) for length in (height, width))
    counts = np.diff([*rows, height])[:, None, None] * np.diff([*columns, width])[None, :, None]
    bands = [_band(pixels[start:end], columns) for start, end in zip(rows, [*rows[1:], height], strict=True)]
    mean = np.stack(bands) / counts
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    return mean.astype(np.float32)


def to_bytes(pixels: npt.NDArray[np.float32]) -> Rgba:
    """Return pixels of 0 to 1 as bytes; what is not a number is black."""
    return (np.nan_to_num(pixels).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def linear_to_srgb(colors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Encode linear light (IEC 61966-2-1), clipped to 0 to 1."""
    light = np.nan_to_num(colors).clip(0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055).astype(np.float32)


def encode_png(rgba: Rgba) -> bytes:
    """Return an 8-bit RGBA PNG, marked as sRGB; the same pixels give the same bytes."""
    height, width = rgba.shape[:2]
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rgba.reshape(height, width * 4)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"sRGB", b"\0"), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunks(chunks))


def with_alpha_of_depth(rgba: Rgba, depth: npt.NDArray[np.float32]) -> Rgba:
    """Return a drawn viewport with nothing where nothing was drawn: at the far end of the depth buffer.

    Args:
        rgba: [H,W,4]; where its own alpha tells the object from the background already, that is kept.
        depth: [H,W], 1 is the far end.
    """
    if (rgba[..., 3] < 255).any():
        return unpremultiplied(rgba)
    cut = rgba.copy()
    cut[..., 3] = np.where(depth < 1.0, 255, 0)
    return cut


def unpremultiplied(rgba: Rgba) -> Rgba:
    """Return straight colours of pixels that are multiplied by their alpha, as the GPU leaves them."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    colors = (rgba[..., :3] / np.maximum(alpha, 1 / 255) + 0.5).clip(0, 255).astype(np.uint8)
    return np.concatenate([colors, rgba[..., 3:]], axis=-1)


def _band(rows: npt.NDArray[np.float32], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    premultiplied = rows.copy()
    premultiplied[..., :3] *= rows[..., 3:]
    return np.add.reduceat(premultiplied.sum(0), columns, axis=0)


def _starts(length: int, count: int) -> npt.NDArray[np.int64]:
    return np.arange(count, dtype=np.int64) * length // count


def _chunks(chunks: Iterable[tuple[bytes, bytes]]) -> Iterable[bytes]:
    for name, content in chunks:
        yield struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _size_of_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _SIZED_JPEG:
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None


def _size_of_webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack("<I", head[21:25])
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        low, high = struct.unpack("<HB", head[24:27]), struct.unpack("<HB", head[27:30])
        return low[0] + (low[1] << 16) + 1, high[0] + (high[1] << 16) + 1
    return None
