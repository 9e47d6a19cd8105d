# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Take the light out of an asset's colours, so that it can be lit where it is shown.

Priors have learnt pictures that are brighter above than below, and what they make has that light in its colours. The
simplest light that depends on the surface's direction alone is found and divided out:

    log colour(x) = log base_color(x) + b . n(x)        shading(n) = exp(b . n - |b|), 1 where it is brightest

which is spherical harmonics of the first order, in the logarithm. Points of one chromaticity are taken to be of one
base colour; so pairs of them, of different normals, tell b by least squares, and pairs that are not after all weigh
little (Cauchy weights, iterated). Colours are sRGB-encoded throughout: a factor of light is a factor there too, but for
the darkest. Highlights, shadows and light that comes with the camera stay.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from limbeck.assets.bake import TEXELS_AT_ONCE, dilated, on_faces, rasterize_uvs
from limbeck.assets.contact_sheet import to_uint8
from limbeck.assets.mesh import Mesh, vertex_normals
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping

MOST_CONTRAST = 2.5
"""Between the directions that are lit most and least; what seems to be more is taken for paint."""
PAIRS = 8
"""For each vertex, with others drawn from all over the surface."""
SAME_CHROMA = 0.03
"""Standard deviation of red, green and blue as shares of their sum, up to which colours count as one."""
OUTLIER = 0.15
"""Of the logarithm: where a pair's brightness differs this much more than the light explains, it counts half."""
ROUNDS = 10
RIDGE = 1e-3
DARKEST, BRIGHTEST = 0.06, 0.995
"""What is darker has noise for a colour, what is brighter is clipped."""


def delit(mesh: Mesh, share: float) -> Mesh:
    """Return the mesh with the light taken out of its vertex colours and its texture, and kept beside them.

    Args:
        mesh: coloured and not empty; faces look outwards.
        share: how much of the light to take out, 0 to 1.
    """
    if share == 0:
        return mesh
    normals = vertex_normals(mesh)
    light = share * find_light(normals, mesh.colors_srgb[:, :3] / 255.0)
    colors = mesh.colors_srgb.copy()
    colors[:, :3] = _lifted(colors[:, :3], normals, light)
    texture = mesh.texture
    if texture is not None:
        texture = replace(texture, base_color_srgb=_delit_picture(mesh, texture, normals, light))
    return replace(mesh, colors_srgb=colors, texture=texture, light=(float(light[0]), float(light[1]), float(light[2])))


def find_light(normals: Float[ndarray, "points 3"], rgb_srgb: Float[ndarray, "points 3"]) -> Float[ndarray, "3"]:
    """Return b, the light's direction times half the logarithm of its contrast; 0 where nothing tells of any.

    Args:
        normals: unit normals.
        rgb_srgb: colours 0 to 1 of the same points.
    """
    generator = np.random.default_rng(0)
    one = np.repeat(np.arange(len(normals)), PAIRS)
    other = generator.integers(len(normals), size=len(one))
    is_usable = (rgb_srgb.mean(1) > DARKEST) & (rgb_srgb.max(1) < BRIGHTEST)
    is_kept = is_usable[one] & is_usable[other]
    one, other = one[is_kept], other[is_kept]
    chroma = rgb_srgb / np.maximum(rgb_srgb.sum(1, keepdims=True), DARKEST)
    likeness = np.exp(-np.square((chroma[one] - chroma[other]) / SAME_CHROMA).sum(1))
    brightness = np.log(np.maximum(rgb_srgb.mean(1), DARKEST))
    return _robust_slope(normals[one] - normals[other], brightness[one] - brightness[other], likeness)


def _robust_slope(
    turns: Float[ndarray, "pairs 3"], steps: Float[ndarray, " pairs"], likeness: Float[ndarray, " pairs"]
) -> Float[ndarray, "3"]:
    """Return b of steps = turns . b by iterated least squares, no longer than ``MOST_CONTRAST`` allows."""
    light = np.zeros(3)
    if likeness.sum() < 1:
        return light
    for _ in range(ROUNDS):
        weights = likeness / (1 + np.square((steps - turns @ light) / OUTLIER))
        matrix = turns.T @ (turns * weights[:, None]) + RIDGE * weights.sum() * np.eye(3)
        light = np.linalg.solve(matrix, turns.T @ (weights * steps))
    return light * min(1.0, math.log(MOST_CONTRAST) / 2 / max(float(np.linalg.norm(light)), 1e-12))


def _lifted(
    colors: UInt8[ndarray, "points 3"], normals: Float[ndarray, "points 3"], light: Float[ndarray, "3"]
) -> UInt8[ndarray, "points 3"]:
    shading = np.exp(normals @ light - np.linalg.norm(light))
    return to_uint8(np.clip(colors / 255.0 / shading[:, None], 0, 1))


def _delit_picture(
    mesh: Mesh, texture: Texture, normals: Float[ndarray, "vertices 3"], light: Float[ndarray, "3"]
) -> UInt8[ndarray, "size size 3"]:
    texels = rasterize_uvs(Unwrapping(texture.uvs, texture.uv_faces), texture.size)
    is_surface = texels.faces >= 0
    picture = texture.base_color_srgb.copy()
    if not is_surface.any():
        return picture
    faces, weights, colors = texels.faces[is_surface], texels.weights[is_surface], picture[is_surface]
    for start in range(0, len(faces), TEXELS_AT_ONCE):
        part = slice(start, start + TEXELS_AT_ONCE)
        at_texels = on_faces(normals, mesh.faces[faces[part]], weights[part], is_unit=True)
        colors[part] = _lifted(colors[part], at_texels, light)
    picture[is_surface] = colors
    return dilated(picture, is_surface)
