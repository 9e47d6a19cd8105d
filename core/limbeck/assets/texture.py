# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A texture on a mesh: where each face lies in the picture, and the picture; and how to read and encode it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import psutil
from jaxtyping import Float, Float32, Int32, UInt8
from numpy import ndarray
from PIL import Image
from pydantic import ConfigDict

from limbeck.errors import LimbeckError

BYTES_PER_TEXEL = 100
BYTES_PER_VIEWED_TEXEL = 180
"""For the renders, which stop growing at a texture of ``LARGEST_VIEWED`` pixels. Baking took 0.2, 0.9 and 1.6 GB at
1024, 2048 and 4096 pixels; these allow 0.3, 1.2 and 2.4."""
LARGEST_VIEWED = 2048
SMALLEST, LARGEST = 16, 8192
"""Pixels along an edge of a texture that can be asked for."""
MAX_PNG_BYTES = 5_000_000
JPEG_QUALITY = 92
LOSSLESS = 1 << 40
"""As ``max_png_bytes``: a PNG at any size."""


@dataclass(frozen=True)
class TextureSettings:
    """How an asset's colours and texture are made.

    Attributes:
        delight: how much of the light in the colours is taken out, 0 (as rendered) to 1.
        normal_map: keep the shape that decimation takes away as a normal map.
    """

    delight: float = 1.0
    normal_map: bool = False

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse to take out more light than there is."""
        if not 0 <= self.delight <= 1:
            raise ValueError(f"expected delight from 0 to 1, got {self.delight}")


@dataclass(frozen=True)
class Texture:
    """A picture on a mesh.

    Corners of faces have coordinates of their own, apart from the mesh's vertices, so that cutting the surface along
    seams does not open the mesh.

    Attributes:
        uvs: coordinates in 0 to 1; (0, 0) is the picture's top left corner and v points down, as in glTF.
        uv_faces: the indices into ``uvs`` of the corners of each of the mesh's faces.
        base_color_srgb: the picture, sRGB, square.
        normal_map: of a denser surface, tangent space as in ``tangents``, +y up in the picture; None without one.

    Raises:
        ValueError: if the arrays do not fit together.
    """

    uvs: Float32[ndarray, "uvs 2"]
    uv_faces: Int32[ndarray, "faces 3"]
    base_color_srgb: UInt8[ndarray, "size size 3"]
    normal_map: UInt8[ndarray, "size size 3"] | None = None

    def __post_init__(self) -> None:
        """Refuse what no renderer could read."""
        if self.uv_faces.size and not 0 <= self.uv_faces.min() <= self.uv_faces.max() < len(self.uvs):
            found = f"{self.uv_faces.min()}..{self.uv_faces.max()}"
            raise ValueError(f"expected uv indices in 0..{len(self.uvs) - 1}, got {found}")
        if not (np.isfinite(self.uvs).all() and self.uvs.min(initial=0) >= 0 and self.uvs.max(initial=0) <= 1):
            found = f"{self.uvs.min()}..{self.uvs.max()}"
            raise ValueError(f"expected finite uvs in 0..1, got {found}")

    @property
    def size(self) -> int:
        """Pixels along an edge."""
        return len(self.base_color_srgb)


def require_texture_size(size: int) -> None:
    """Refuse a size that no texture has.

    Raises:
        LimbeckError: E_TEXTURE_SIZE.
    """
    if size != 0 and not SMALLEST <= size <= LARGEST:
        message = f"expected a texture_size of {SMALLEST} to {LARGEST} pixels, or 0 for vertex colours, got {size}"
        raise LimbeckError("E_TEXTURE_SIZE", message, "ask for 1024 pixels, or 0")


def require_texture_memory(size: int) -> None:
    """Refuse a texture that this machine could not bake, before any work.

    Raises:
        LimbeckError: E_OUT_OF_MEMORY.
    """
    needed = BYTES_PER_TEXEL * size**2 + BYTES_PER_VIEWED_TEXEL * min(size, LARGEST_VIEWED) ** 2
    available = psutil.virtual_memory().available
    if needed > available:
        raise LimbeckError(
            "E_OUT_OF_MEMORY",
            f"expected room for a texture of {size} x {size} pixels, which takes {needed / 1e9:.1f} GB to bake; "
            f"{available / 1e9:.1f} GB are free",
            "ask for a smaller --texture-size, or close other programs",
        )


def sample_bilinear(picture: UInt8[ndarray, "height width 3"], uvs: Float[ndarray, "n 2"]) -> Float32[ndarray, "n 3"]:
    """Read a picture at coordinates as in ``Texture``, 0 to 1; beyond the outermost texel centres it is constant."""
    height, width, _ = picture.shape
    x = np.clip(uvs[:, 0] * width - 0.5, 0, width - 1).astype(np.float32)
    y = np.clip(uvs[:, 1] * height - 0.5, 0, height - 1).astype(np.float32)
    column, row = np.minimum(x.astype(np.int32), width - 2), np.minimum(y.astype(np.int32), height - 2)
    share_x, share_y = (x - column).astype(np.float32)[:, None], (y - row).astype(np.float32)[:, None]
    upper = picture[row, column] * (1 - share_x) + picture[row, column + 1] * share_x
    lower = picture[row + 1, column] * (1 - share_x) + picture[row + 1, column + 1] * share_x
    return (upper * (1 - share_y) + lower * share_y) / np.float32(255)


def encode_picture(picture: UInt8[ndarray, "height width 3"], max_png_bytes: int = MAX_PNG_BYTES) -> tuple[bytes, str]:
    """Return a picture's bytes and MIME type: PNG, or JPEG without colour subsampling where PNG would be too large."""
    image = Image.fromarray(picture)
    encoded = io.BytesIO()
    image.save(encoded, "PNG")
    if encoded.tell() <= max_png_bytes:
        return encoded.getvalue(), "image/png"
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return encoded.getvalue(), "image/jpeg"
