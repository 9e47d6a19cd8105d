# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Light in an asset's colours: found where there is some, left alone where there is none, taken out everywhere."""

from dataclasses import replace

import numpy as np
import pytest

import limbeck.assets.delight
from limbeck.assets.bake import rasterize_uvs
from limbeck.assets.contact_sheet import contact_sheet
from limbeck.assets.delight import MOST_CONTRAST, delit, find_light
from limbeck.assets.mesh import vertex_normals
from limbeck.assets.texture import Texture, TextureSettings, sample_bilinear
from limbeck.assets.unwrap import Unwrapping, unwrap
from limbeck.assets.vertex_colors import with_colors
from limbeck.playset.geometry import surface_points
from limbeck.playset.things import Thing, build
from oracles.shapes import ball_mesh, torus_mesh

LIGHT = np.array([0.05, -0.1, 0.25])
PAINTS = np.array([[0.7, 0.2, 0.15], [0.3, 0.5, 0.6], [0.9, 0.9, 0.9], [0.25, 0.25, 0.25]])


def shaded(mesh, paint, light):
    normals = vertex_normals(mesh)
    return with_colors(mesh, paint * np.exp(normals @ light - np.linalg.norm(light))[:, None])


def patchwork(mesh):
    """Paint a mesh in patches that have nothing to do with its normals."""
    return PAINTS[np.floor(mesh.vertices[:, 0] * 7).astype(int) % 4]


@pytest.mark.parametrize("light", [LIGHT, np.zeros(3)])
def test_the_light_on_a_patchwork_is_found(light):
    mesh = shaded(torus_mesh(), patchwork(torus_mesh()), light)
    found = find_light(vertex_normals(mesh), mesh.colors_srgb[:, :3] / 255)
    np.testing.assert_allclose(found, light, atol=0.02)


def test_what_is_left_is_the_paint():
    torus = torus_mesh()
    paint = patchwork(torus)
    found = delit(shaded(torus, paint, LIGHT), 1.0).colors_srgb[:, :3] / 255
    assert np.abs(found - paint).mean() < 0.01


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_pictures_show_the_asset_as_it_was_rendered(share):
    torus = shaded(torus_mesh(), patchwork(torus_mesh()), LIGHT)
    relit = delit(torus, share)
    shown = (torus, relit, replace(relit, light=(0.0, 0.0, 0.0)))
    before, after, bare = (np.asarray(contact_sheet(mesh, size=64), float) for mesh in shown)
    # Of 255: colours are rounded twice, and divided by as little as 0.58 in between.
    assert np.abs(after - before).mean() < 1.0
    assert np.abs(bare - before).mean() > 2 * np.abs(after - before).mean()


def test_half_of_the_light_can_be_taken_out():
    torus = torus_mesh()
    half = delit(shaded(torus, patchwork(torus), LIGHT), 0.5)
    found = find_light(vertex_normals(half), half.colors_srgb[:, :3] / 255)
    np.testing.assert_allclose(found, LIGHT / 2, atol=0.02)


def test_two_colours_above_and_below_are_paint():
    ball = ball_mesh(0.6, subdivisions=4)
    paint = np.where(ball.vertices[:, 2:] > 0, PAINTS[0], PAINTS[1])
    found = find_light(vertex_normals(ball), paint)
    assert np.abs(found).max() < 0.01


def test_more_contrast_than_pictures_have_is_not_believed():
    torus = torus_mesh()
    normals = vertex_normals(torus)
    found = find_light(normals, 0.3 * np.exp(normals @ [0, 0, 1.0])[:, None] * np.ones(3))
    assert np.exp(2 * np.linalg.norm(found)) <= MOST_CONTRAST + 1e-9


@pytest.mark.parametrize("noun", ["frog", "car", "mug"])
def test_a_toys_true_colours_come_back_from_its_lit_ones(noun):
    """The playset's renderer lights from the sky and from the camera, whose mean over views is about a constant."""
    points = surface_points(build(Thing(noun, "green", "plain", seed=1)), 6000, np.random.default_rng(0))
    lit = points.colors * (0.38 + 0.42 * (0.5 + 0.5 * points.normals[:, 2:]) + 0.28 * 0.8)
    light = find_light(points.normals, lit)
    shading = np.exp(points.normals @ light - np.linalg.norm(light))[:, None]
    before, after = (np.abs(colors - points.colors).mean() for colors in (lit, lit / shading))
    assert after < 0.35 * before


def test_a_texture_is_delit_with_its_gutters():
    torus = shaded(torus_mesh(), np.full((len(torus_mesh().vertices), 3), 0.6), LIGHT)
    unwrapping = unwrap(torus, 128)
    texels = rasterize_uvs(Unwrapping(unwrapping.uvs, unwrapping.uv_faces), 128)
    corners = np.concatenate([texels.weights, 1 - texels.weights.sum(-1, keepdims=True)], -1)
    colors = torus.colors_srgb[torus.faces[np.maximum(texels.faces, 0)]][..., :3]
    picture = np.rint(np.einsum("hwc,hwcd->hwd", corners, colors)).astype(np.uint8)
    picture[texels.faces < 0] = 255
    mesh = replace(torus, texture=Texture(unwrapping.uvs, unwrapping.uv_faces, picture))
    found = delit(mesh, 1.0)
    assert np.abs(found.texture.base_color_srgb / 255.0 - 0.6).max() < 0.05
    seen = sample_bilinear(found.texture.base_color_srgb, found.texture.uvs)
    assert np.abs(seen - 0.6).max() < 0.05


def test_texels_are_delit_part_by_part(monkeypatch):
    torus = shaded(torus_mesh(), np.full((len(torus_mesh().vertices), 3), 0.6), LIGHT)
    unwrapping = unwrap(torus, 64)
    mesh = replace(torus, texture=Texture(unwrapping.uvs, unwrapping.uv_faces, np.full((64, 64, 3), 90, np.uint8)))
    whole = delit(mesh, 1.0).texture.base_color_srgb
    monkeypatch.setattr(limbeck.assets.delight, "TEXELS_AT_ONCE", 100)
    np.testing.assert_array_equal(delit(mesh, 1.0).texture.base_color_srgb, whole)


def test_no_share_is_no_change():
    torus = shaded(torus_mesh(), patchwork(torus_mesh()), LIGHT)
    assert delit(torus, 0.0) is torus
    with pytest.raises(ValueError, match="expected delight from 0 to 1, got 2"):
        TextureSettings(delight=2)
