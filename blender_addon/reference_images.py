# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reference pictures as Blender keeps them, and as a job gets them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy
import numpy as np
import numpy.typing as npt

from . import camera_math, pictures, wire
from .blender_camera import WorldCamera, job_camera
from .placement import Placement
from .refusal import DescriptionError

if TYPE_CHECKING:
    from limbeck_protocol.job import Reference
    from limbeck_protocol.rig import Camera

LEAST_SIDE = 16
USES = {"PROMPT": "prompt", "PHOTOMETRIC": "photometric", "BOTH": "both"}


def references_of(scene: Any, placement: Placement) -> tuple[Reference, ...]:
    """Return the scene's reference pictures; those of no weight are left out.

    Raises:
        DescriptionError: if one cannot be read, or its camera does not look at where the asset will be.
    """
    return tuple(_reference(item, placement) for item in scene.limbeck.references if item.weight > 0)


def add(scene: Any, image: Any, camera: WorldCamera | None = None) -> Any:
    """Add a picture to the scene's references and make it the active one."""
    request = scene.limbeck
    item = request.references.add()
    item.name, item.image = image.name, image
    image.preview_ensure()
    if camera is not None:
        item.is_posed, item.use = True, "BOTH"
        item.c2w = camera.c2w.ravel().tolist()
        item.focal = (camera.K[0, 0], camera.K[1, 1])
        item.centre = (camera.K[0, 2], camera.K[1, 2])
        item.size = (camera.width, camera.height)
    request.active_reference = len(request.references) - 1
    return item


def load(path: Path) -> Any:
    """Return the image datablock of a file, refused by the head of the file where it is too large.

    Raises:
        DescriptionError: if it is no PNG, JPEG or WEBP of a usable size.
    """
    require_picture(path)
    try:
        image = bpy.data.images.load(str(path), check_existing=True)
    except RuntimeError as error:
        raise DescriptionError(
            f"{path.name} cannot be read", "open it in an image editor and save it as PNG"
        ) from error
    require_readable(image)
    return image


def require_picture(path: Path) -> None:
    """Refuse a file by its head.

    Raises:
        DescriptionError: if it is no PNG, JPEG or WEBP of a usable size.
    """
    try:
        size = pictures.size_of_file(path)
    except OSError as error:
        raise DescriptionError(f"{path.name} cannot be read: {error.strerror}", "choose another file") from error
    if size is None:
        raise DescriptionError(f"{path.name} is no PNG, JPEG or WEBP", "open it in an image editor and save it as PNG")
    require_size(size, path.name)


def require_readable(image: Any) -> None:
    """Refuse an image datablock that has no pixels, or too many; those of a file are counted before it is read.

    Raises:
        DescriptionError: with a remedy.
    """
    if image.source not in ("FILE", "GENERATED"):
        raise DescriptionError(f'"{image.name}" is no still picture', "save it as a PNG, and add that file")
    size = _size_before_reading(image)
    if size is not None:
        require_size(size, image.name)
    if not min(image.size):
        raise DescriptionError(f'"{image.name}" has no pixels', "find its file (File > External Data), or remove it")
    require_size(tuple(image.size), image.name)


def require_size(size: tuple[int, int], name: str) -> None:
    """Refuse a picture far too small or too large, as the server does."""
    width, height = size
    if width * height > pictures.MAX_PIXELS or min(size) < LEAST_SIDE:
        raise DescriptionError(
            f"{name} has {width} x {height} pixels; at least {LEAST_SIDE} a side and up to "
            f"{pictures.MAX_PIXELS // 10**6} million in all can be used",
            f"scale it; {pictures.LONGEST_SIDE} pixels a side are plenty",
        )


def png_of(image: Any) -> bytes:
    """Return an image datablock as a PNG of at most ``pictures.LONGEST_SIDE``, transparency kept.

    Raises:
        DescriptionError: as ``require_readable``.
    """
    require_readable(image)
    pixels = pictures.shrink(pixels_of(image))
    if image.is_float:  # linear light; bytes are what the file has
        pixels[..., :3] = pictures.linear_to_srgb(pixels[..., :3])
    return pictures.encode_png(pictures.to_bytes(pixels))


def pixels_of(image: Any) -> npt.NDArray[np.float32]:
    """Return an image datablock's pixels [H,W,4], the top row first."""
    width, height = image.size
    channels = len(image.pixels) // max(1, width * height)
    flat = np.empty(width * height * channels, np.float32)
    image.pixels.foreach_get(flat)
    pixels = np.ones((height, width, 4), np.float32)
    given = flat.reshape(height, width, channels)[::-1]
    pixels[..., : min(channels, 4)] = given[..., :4] if channels >= 3 else given[..., :1]
    pixels[..., 3] = given[..., 3] if channels == 4 else 1.0
    return pixels


def new_image(name: str, rgba: pictures.Rgba) -> Any:
    """Return a new packed image datablock of bytes [H,W,4], the top row first."""
    height, width = rgba.shape[:2]
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.pixels.foreach_set((rgba[::-1].astype(np.float32) / 255).ravel())
    image.pack()
    return image


def camera_of(item: Any, placement: Placement) -> Camera:
    """Return a posed reference's camera in the core's frame.

    Raises:
        DescriptionError: if it does not look at where the asset will be.
    """
    world = camera_math.rigid_c2w(np.reshape(item.c2w, (4, 4)), item.name)
    c2w = camera_math.into_frame(world, placement.matrix)
    K = np.array([(item.focal[0], 0.0, item.centre[0]), (0.0, item.focal[1], item.centre[1]), (0.0, 0.0, 1.0)])
    reason = camera_math.misfit(c2w, K, *item.size)
    if reason:
        raise DescriptionError(
            f'The camera of the reference "{item.name}" {reason}',
            "move the place of the asset (Start From), capture it again, or forget its camera",
        )
    return job_camera(WorldCamera(item.name, c2w, K, *item.size))


def _reference(item: Any, placement: Placement) -> Reference:
    if item.image is None:
        raise DescriptionError(
            f'The reference "{item.name}" has lost its picture', "choose it again, or remove the reference"
        )
    camera = camera_of(item, placement) if item.is_posed else None
    use: Any = USES[item.use] if item.is_posed else "prompt"
    return wire.job.Reference(wire.job.blob_of(png_of(item.image), ".png"), camera, item.weight, use)


def _size_before_reading(image: Any) -> tuple[int, int] | None:
    """Return the size that the head of the datablock's file tells, if it has one that does."""
    if image.source != "FILE" or image.is_dirty:
        return None
    if image.packed_file is not None:
        return pictures.size_of_head(image.packed_file.data[: pictures.HEAD_BYTES])
    try:
        return pictures.size_of_file(Path(bpy.path.abspath(image.filepath, library=image.library)))
    except OSError:
        return None  # Blender says so below: it has no pixels
