# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One picture of an asset from all round: what a human, or a test, looks at first."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.mesh import Mesh, bounds, transform_positions
from limbeck.assets.render import LIGHT_GREY, Color, MeshRenders, Shading, render_mesh
from limbeck.cameras import distance_for, ring_cameras

COLUMNS = 4
FOV_Y_DEG = 30.0
MARGIN = 1.08
PICTURE_FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def contact_sheet(
    mesh: Mesh,
    *,
    azimuths: int = 8,
    elevation_deg: float = 15.0,
    size: int = 256,
    background_srgb: Color = LIGHT_GREY,
    shading: Shading = "as_rendered",
) -> Image.Image:
    """Draw the mesh from ``azimuths`` sides, four to a row, each ``size`` pixels wide.

    The first picture shows the front; the camera then goes counter-clockwise seen from above, so that the second row
    starts at the back. The mesh is centred and fills the pictures. An empty mesh gives an empty sheet.
    """
    images = draw_views(
        mesh,
        views=azimuths,
        elevation_deg=elevation_deg,
        size=size,
        background_srgb=background_srgb,
        shading=shading,
    )
    return Image.fromarray(tile(images, COLUMNS))


def draw_views(
    mesh: Mesh,
    *,
    views: int,
    elevation_deg: float = 15.0,
    size: int = 256,
    background_srgb: Color = LIGHT_GREY,
    shading: Shading = "as_rendered",
) -> UInt8[ndarray, "views size size 3"]:
    """Draw the mesh, centred and filling the pictures, from evenly spread azimuths; the first shows the front."""
    renders = ring_renders(
        mesh,
        views=views,
        elevation_deg=elevation_deg,
        size=size,
        background_srgb=background_srgb,
        shading=shading,
    )
    return to_uint8(renders.rgb_srgb)


def ring_renders(
    mesh: Mesh,
    *,
    views: int,
    elevation_deg: float = 15.0,
    size: int = 256,
    background_srgb: Color = LIGHT_GREY,
    shading: Shading = "as_rendered",
) -> MeshRenders:
    """Render what ``draw_views`` draws, with alpha, depth and normals."""
    framed, radius = _framed(mesh)
    # A sphere of this radius touches the view cone's sides, not the plane through its centre.
    distance = distance_for(FOV_Y_DEG, radius * MARGIN) / np.cos(np.radians(FOV_Y_DEG / 2))
    cameras = ring_cameras(views, elevation_deg=elevation_deg, fov_y_deg=FOV_Y_DEG, distance=distance, size=size)
    return render_mesh(
        framed,
        cameras.viewmats.numpy(),
        cameras.Ks.numpy(),
        size,
        size,
        background_srgb=background_srgb,
        shading=shading,
    )


def save_image_atomically(image: Image.Image, path: Path) -> None:
    """Write a picture whole or not at all; a suffix .jpg, .jpeg or .webp is obeyed, all else is PNG.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    encoded = io.BytesIO()
    image.save(encoded, format=PICTURE_FORMATS.get(path.suffix.lower(), "PNG"))
    write_bytes_atomically(path, encoded.getvalue())


def tile(images: UInt8[ndarray, "views height width 3"], columns: int) -> UInt8[ndarray, "H W 3"]:
    """Lay images out in rows of ``columns``, filled up with white."""
    views, height, width, _ = images.shape
    rows = -(-views // columns)
    padded = np.full((rows * columns, height, width, 3), 255, np.uint8)
    padded[:views] = images
    grid = padded.reshape(rows, columns, height, width, 3)
    return grid.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def to_uint8(values: ndarray) -> ndarray:
    """Round 0..1 to 0..255; values outside are clipped."""
    return (np.clip(values, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)


def _framed(mesh: Mesh) -> tuple[Mesh, float]:
    """Return the mesh with its box centred on the origin, and the radius of the ball that holds it."""
    if mesh.is_empty:
        return mesh, 1.0
    low, high = bounds(mesh)
    centre = (low + high) / 2
    framed = transform_positions(mesh, lambda vertices: vertices - centre)
    return framed, float(np.linalg.norm(framed.vertices, axis=1).max())
