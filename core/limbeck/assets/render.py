# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Render meshes with a texture or vertex colours on the CPU: z-buffer, perspective-correct, supersampled.

The kernel only finds which face each sample sees and where on it; numpy shades. Of equally near faces the first one in
the mesh wins, so the same mesh gives the same bits everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, no_type_check

import numpy as np
from jaxtyping import Float, Float32, Int32
from numba import njit
from numpy import ndarray

from limbeck.assets.mesh import Mesh, vertex_normals
from limbeck.assets.tangents import TangentFrames, decode_normals, from_tangent_space, tangent_frames
from limbeck.assets.texture import sample_bilinear

Color = tuple[float, float, float]
Shading = Literal["flat", "as_rendered", "lit"]

NEAR = 1e-3
EDGE_SLACK = 1e-9
"""Samples exactly on a shared edge must not fall between its two faces by rounding."""
LIGHT_GREY: Color = (0.87, 0.87, 0.87)


@dataclass(frozen=True)
class MeshRenders:
    """Pictures of one mesh from several cameras.

    Attributes:
        rgb_srgb: sRGB-encoded colours 0 to 1, composited over the background.
        alpha: the share of each pixel that the mesh covers, 0 to 1.
        depth: camera z, the mean over the covered share; 0 where alpha is 0.
        normals: world-space surface normals, unit length; 0 where alpha is 0.
    """

    rgb_srgb: Float32[ndarray, "views height width 3"]
    alpha: Float32[ndarray, "views height width"]
    depth: Float32[ndarray, "views height width"]
    normals: Float32[ndarray, "views height width 3"]


@dataclass(frozen=True)
class Fragments:
    """What the samples of one image see.

    Attributes:
        faces: face number; -1 is nothing.
        weights: perspective-correct barycentric weights of the face's three corners.
        depth: camera z; 0 where nothing is seen.
    """

    faces: Int32[ndarray, "height width"]
    weights: Float32[ndarray, "height width 3"]
    depth: Float32[ndarray, "height width"]


def render_mesh(
    mesh: Mesh,
    viewmats: Float[ndarray, "views 4 4"],
    Ks: Float[ndarray, "views 3 3"],
    width: int,
    height: int,
    *,
    background_srgb: Color = LIGHT_GREY,
    shading: Shading = "flat",
    supersampling: int = 2,
) -> MeshRenders:
    """Render a mesh from every camera; faces seen from behind are not drawn.

    Args:
        mesh: faces counter-clockwise seen from outside.
        viewmats: world to camera, OpenCV axes.
        Ks: intrinsics in pixels; the centre of the top left pixel is at (0.5, 0.5).
        width: of the images in pixels.
        height: of the images in pixels.
        background_srgb: 0 to 1.
        shading: "flat" shows the colours as they are; "as_rendered" under the light that was taken out of them
            (``Mesh.light``), if any; "lit" adds a soft headlight and sky, to judge the shape;
            a normal map takes part in it.
        supersampling: each pixel is the mean of this many samples squared.
    """
    look = _Look(background_srgb, shading, supersampling, _frames(mesh) if shading == "lit" else None)
    normals = vertex_normals(mesh).astype(np.float32)
    views = [
        _shade(mesh, normals, _rasterize_finely(mesh, viewmat, K, (width, height), supersampling), viewmat, look)
        for viewmat, K in zip(viewmats, Ks, strict=True)
    ]
    stacked = [np.stack(images) for images in zip(*views, strict=True)]
    return MeshRenders(*stacked)


def rasterize_view(
    mesh: Mesh, viewmat: Float[ndarray, "4 4"], K: Float[ndarray, "3 3"], width: int, height: int
) -> Fragments:
    """Find the front face nearest to the camera at every pixel centre.

    Faces that reach behind the near plane (a thousandth of a unit before the camera) are left out, not clipped.
    """
    viewmat, K = viewmat.astype(np.float64), K.astype(np.float64)
    camera_points = mesh.vertices.astype(np.float64) @ viewmat[:3, :3].T + viewmat[:3, 3]
    z = camera_points[:, 2]
    projected = camera_points @ K.T
    pixels = projected[:, :2] / np.where(z > NEAR, z, 1.0)[:, None]
    faces = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    nearness = np.zeros((height, width), np.float64)
    inverse_z = np.where(z > NEAR, 1.0 / np.maximum(z, NEAR), 0.0)
    _rasterize(mesh.faces, (pixels, inverse_z), (faces, weights, nearness))
    depth = np.divide(1.0, nearness, out=np.zeros_like(nearness), where=nearness > 0)
    return Fragments(faces, weights, depth.astype(np.float32))


@njit(cache=True, nogil=True)
@no_type_check
def _rasterize(triangles, projected, images):
    """Draw triangles [F, 3] into images.

    Args:
        triangles: vertex indices.
        projected: pixels [V, 2] of the vertices, and 1 / z [V], 0 for vertices that are not before the camera.
        images: faces, weights and nearness (1 / z), changed in place.
    """
    pixels, inverse_z = projected
    faces, weights, nearness = images
    height, width = faces.shape
    for f in range(len(triangles)):
        a, b, c = triangles[f]
        if inverse_z[a] == 0 or inverse_z[b] == 0 or inverse_z[c] == 0:
            continue
        ax, ay, bx, by, cx, cy = pixels[a, 0], pixels[a, 1], pixels[b, 0], pixels[b, 1], pixels[c, 0], pixels[c, 1]
        # Image y points down, so that a face counter-clockwise seen from outside has a negative area here.
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= 0:
            continue
        first_x, last_x = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(width - 1, int(max(ax, bx, cx) - 0.5))
        first_y, last_y = max(0, int(np.ceil(min(ay, by, cy) - 0.5))), min(height - 1, int(max(ay, by, cy) - 0.5))
        for row in range(first_y, last_y + 1):
            y = row + 0.5
            for column in range(first_x, last_x + 1):
                x = column + 0.5
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1.0 - wa - wb
                if wa < -EDGE_SLACK or wb < -EDGE_SLACK or wc < -EDGE_SLACK:
                    continue
                near = wa * inverse_z[a] + wb * inverse_z[b] + wc * inverse_z[c]
                if near > nearness[row, column]:
                    nearness[row, column] = near
                    faces[row, column] = f
                    weights[row, column, 0] = wa * inverse_z[a] / near
                    weights[row, column, 1] = wb * inverse_z[b] / near
                    weights[row, column, 2] = wc * inverse_z[c] / near


@dataclass(frozen=True)
class _Look:
    background_srgb: Color
    shading: Shading
    supersampling: int
    frames: TangentFrames | None


def _frames(mesh: Mesh) -> TangentFrames | None:
    """Return the frames that a normal map is in, if the mesh has one."""
    texture = mesh.texture
    return None if texture is None or texture.normal_map is None else tangent_frames(mesh, texture)


def _rasterize_finely(
    mesh: Mesh, viewmat: Float[ndarray, "4 4"], K: Float[ndarray, "3 3"], size: tuple[int, int], supersampling: int
) -> Fragments:
    """Rasterise an image of ``size`` (width, height) with ``supersampling`` samples along each side of a pixel."""
    fine_K = K * np.array([supersampling, supersampling, 1.0])[:, None]
    return rasterize_view(mesh, viewmat, fine_K, size[0] * supersampling, size[1] * supersampling)


def _shade(
    mesh: Mesh,
    vertex_normals: Float32[ndarray, "vertices 3"],
    fragments: Fragments,
    viewmat: Float[ndarray, "4 4"],
    look: _Look,
) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Return rgb, alpha, depth and normals of one view."""
    covered = (fragments.faces >= 0).astype(np.float32)
    rgb = surface_colors(fragments, mesh)
    normals = interpolate(fragments, mesh, vertex_normals)
    if look.shading == "as_rendered" and any(mesh.light):
        light = np.asarray(mesh.light, np.float32)
        rgb = rgb * np.exp(normals @ light - np.linalg.norm(light))[..., None]
    if look.shading == "lit":
        rgb = rgb * _light(_shading_normals(fragments, mesh, normals, look.frames), viewmat)[..., None]
    rgb = rgb + (1 - covered)[..., None] * np.asarray(look.background_srgb, np.float32)
    samples = (rgb, covered, fragments.depth, normals)
    rgb, alpha, depth, normals = (_downsample(image, look.supersampling) for image in samples)
    depth = np.divide(depth, alpha, out=np.zeros_like(depth), where=alpha > 0)
    lengths = np.linalg.norm(normals, axis=-1, keepdims=True)
    return rgb, alpha, depth, np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)


def surface_colors(fragments: Fragments, mesh: Mesh) -> Float32[ndarray, "height width 3"]:
    """Return the sRGB colour, 0 to 1, of the texture, else of the vertices, at each sample; 0 where nothing is seen."""
    if mesh.texture is None:
        return interpolate(fragments, mesh, mesh.colors_srgb[:, :3].astype(np.float32) / 255)
    image = np.zeros((*fragments.faces.shape, 3), np.float32)
    is_seen = fragments.faces >= 0
    corners = mesh.texture.uvs[mesh.texture.uv_faces[fragments.faces[is_seen]]]
    uvs = np.einsum("pc,pcd->pd", fragments.weights[is_seen], corners)
    image[is_seen] = sample_bilinear(mesh.texture.base_color_srgb, uvs)
    return image


def _shading_normals(
    fragments: Fragments, mesh: Mesh, normals: Float32[ndarray, "height width 3"], frames: TangentFrames | None
) -> Float32[ndarray, "height width 3"]:
    """Return the normals that the light falls on: the normal map's where there is one."""
    texture = mesh.texture
    if texture is None or texture.normal_map is None or frames is None:
        return normals
    is_seen = fragments.faces >= 0
    faces, weights = fragments.faces[is_seen], fragments.weights[is_seen]
    uvs = np.einsum("pc,pcd->pd", weights, texture.uvs[texture.uv_faces[faces]])
    mapped = decode_normals(sample_bilinear(texture.normal_map, uvs))
    shown = np.zeros_like(normals)
    shown[is_seen] = from_tangent_space(mapped, frames.at(faces, weights))
    return shown


def interpolate(
    fragments: Fragments, mesh: Mesh, values: Float32[ndarray, "vertices d"]
) -> Float32[ndarray, "height width d"]:
    """Interpolate values at the vertices to the samples; 0 where nothing is seen."""
    image = np.zeros((*fragments.faces.shape, values.shape[1]), np.float32)
    is_seen = fragments.faces >= 0
    corners = values[mesh.faces[fragments.faces[is_seen]]]
    image[is_seen] = np.einsum("pc,pcd->pd", fragments.weights[is_seen], corners)
    return image


def _light(
    normals: Float32[ndarray, "height width 3"], viewmat: Float[ndarray, "4 4"]
) -> Float32[ndarray, "height width"]:
    """Return brightness 0.3 to 1: ambient, sky from +z, and a headlight from the camera."""
    facing = np.maximum(-(normals @ viewmat[2, :3].astype(np.float32)), 0)
    return 0.3 + 0.25 * (0.5 + 0.5 * normals[..., 2]) + 0.45 * facing


def _downsample(image: Float32[ndarray, "..."], factor: int) -> Float32[ndarray, "..."]:
    height, width = image.shape[0] // factor, image.shape[1] // factor
    blocks = image.reshape(height, factor, width, factor, *image.shape[2:])
    return blocks.mean(axis=(1, 3), dtype=np.float32)
