# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures that users give: any PNG, JPEG or WEBP as upright sRGB pixels, and the object in it cut out.

Imports no torch, so that a picture can be refused before anything is loaded.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray
from PIL import Image, ImageCms, ImageOps
from scipy.ndimage import label

from limbeck.errors import LimbeckError

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 32_000_000
"""More would take more than the half gigabyte that limbeck_server gives a decoder."""
MIN_SIDE = 16
LONGEST_SIDE = 1024
"""Larger pictures are reduced to this before anything else: priors see 64 to 1024 pixels."""
OPAQUE = 128
"""Alpha from which a pixel is the object's."""
LEAST_SHARE = 0.002
"""Of all pixels: fewer transparent ones are no cut-out, fewer opaque ones no object."""
TOLERANCE = 24
"""How far a channel (0 to 255) may be from the border's colour to count as background: JPEG's noise and soft light."""
PLAIN_SHARE = 0.6
"""Of the border's pixels must have its colour; the rest may be an object that the picture cuts off."""
SPECK = 0.02
"""Parts smaller than this share of the largest one are taken for dirt."""

Rgba = UInt8[ndarray, "height width 4"]
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, struct.error, zlib.error)
"""What Pillow's decoders raise for files that are damaged or none of theirs."""


def read_picture(content: bytes, name: str) -> Rgba:
    """Return a picture's pixels: upright, sRGB, straight alpha, at most ``LONGEST_SIDE`` wide and high.

    Palettes, greys, 16 bits and CMYK are converted; of an animation the first frame counts.

    Args:
        content: of the file.
        name: of the file, for messages.

    Raises:
        LimbeckError: E_IMAGE if it is no PNG, JPEG or WEBP, damaged, or far too large or small.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of sizes that are refused below
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                _require_size(image.size, name)
                image.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
                return _pixels(image)
    except Image.DecompressionBombError as error:
        raise _wrong_size("more than twice as many", name) from error
    except DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = "another kind of file" if isinstance(error, Image.UnidentifiedImageError) else reason
        message = f"expected a whole PNG, JPEG or WEBP picture in {name}, got {reason}"
        raise LimbeckError("E_IMAGE", message, "open it in an image editor and save it again as PNG") from error


def _require_size(size: tuple[int, int], name: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS or min(size) < MIN_SIDE:
        raise _wrong_size(f"{width} x {height}", name)


def _wrong_size(got: str, name: str) -> LimbeckError:
    message = f"expected {MIN_SIDE} pixels a side or more and up to {MAX_PIXELS // 10**6} million in all in {name}"
    return LimbeckError("E_IMAGE", f"{message}, got {got}", "scale it; 512 to 1024 pixels a side are plenty")


def _pixels(image: Image.Image) -> Rgba:
    upright = ImageOps.exif_transpose(_shrunk(image))
    with_alpha = upright.convert("RGBA") if upright.has_transparency_data else None
    colors = _to_srgb(upright if with_alpha is None else with_alpha.convert("RGB"))
    colors.putalpha(255 if with_alpha is None else with_alpha.getchannel("A"))
    scale = LONGEST_SIDE / max(colors.size)
    if scale < 1:
        size = (max(1, round(colors.width * scale)), max(1, round(colors.height * scale)))
        # Premultiplied, or the hidden colours of transparent pixels would bleed into the object's edge.
        colors = colors.convert("RGBa").resize(size, Image.Resampling.BILINEAR).convert("RGBA")
    return np.array(colors)


def _shrunk(image: Image.Image) -> Image.Image:
    """Return the picture with 8 bits, and brought near its final size if it is large, because copies of it follow."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip instead of scaling
        image = _grey(np.asarray(image))
    factor = max(image.size) // (2 * LONGEST_SIDE)
    if factor < 2:
        return image
    if image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "L" if image.mode == "1" else "RGB")
    return image.reduce(factor)  # premultiplies by itself


def _grey(values: ndarray) -> Image.Image:
    """Return 16-bit values as an 8-bit picture, a block of rows at a time."""
    grey = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), 256):
        rows = slice(start, start + 256)
        grey[rows] = ((values[rows].astype(np.int64) + 128) // 257).clip(0, 255)
    return Image.fromarray(grey)


def _to_srgb(image: Image.Image) -> Image.Image:
    """Return RGB pixels, converted by the colour profile that the file brings, if it is a valid one."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile for another kind of pixels: without it colours are only slightly off
    return image.convert("RGB")


def cut_out(pixels: Rgba, name: str) -> Rgba:
    """Return the picture with everything but the object transparent.

    A picture with transparent parts is cut out already. Otherwise its border must have one colour: what has that colour
    and is connected to the border is background, so that white eyes on white ground stay, and so do holes.

    Args:
        pixels: as ``read_picture`` returns them.
        name: of the picture, for messages.

    Raises:
        LimbeckError: E_IMAGE_EMPTY if nothing is there, E_IMAGE_BACKGROUND if the border is not plain.
    """
    is_opaque = pixels[..., 3] >= OPAQUE
    is_cut_out = (~is_opaque).mean() >= LEAST_SHARE
    is_object = is_opaque if is_cut_out else _stands_out(pixels[..., :3], name)
    if is_object.mean() < LEAST_SHARE:
        what = "all of it is transparent" if is_cut_out else "all of it has one colour"
        message = f"expected an object in {name}, got a picture without one: {what}"
        raise LimbeckError("E_IMAGE_EMPTY", message, "give a picture that shows the whole object")
    if is_cut_out:
        return pixels
    alpha = np.where(is_object, 255, 0).astype(np.uint8)
    return np.concatenate([pixels[..., :3], alpha[..., None]], -1)


def _stands_out(rgb: UInt8[ndarray, "height width 3"], name: str) -> Bool[ndarray, "height width"]:
    ring = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]]).astype(np.int16)
    color = np.median(ring, 0)
    is_plain = np.abs(ring - color).max(1) <= TOLERANCE
    if is_plain.mean() < PLAIN_SHARE:
        message = f"expected transparency or a plain background in {name}, got a border of many colours"
        remedy = "remove the background in an image editor and save it as PNG with transparency"
        raise LimbeckError("E_IMAGE_BACKGROUND", message, remedy)
    return _without_specks(~_connected_to_border(np.abs(rgb - color).max(2) <= TOLERANCE))


def _connected_to_border(is_alike: Bool[ndarray, "height width"]) -> Bool[ndarray, "height width"]:
    parts: ndarray = label(is_alike)[0]  # pyright: ignore[reportIndexIssue] - scipy's stub calls it an int
    at_border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    return np.isin(parts, at_border[at_border > 0])


def _without_specks(is_object: Bool[ndarray, "height width"]) -> Bool[ndarray, "height width"]:
    parts: ndarray = label(is_object)[0]  # pyright: ignore[reportIndexIssue]
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (sizes >= max(1, SPECK * sizes.max()))[parts] & is_object
