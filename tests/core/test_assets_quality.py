# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What every asset must be: closed, without degenerate or folded faces, in budget, its texture without overlap."""

from dataclasses import replace

import numpy as np
import pytest

from limbeck.assets.bake import textured
from limbeck.assets.clean import clean_mesh
from limbeck.assets.extract import extract_mesh
from limbeck.assets.gltf import encode_glb
from limbeck.assets.mesh import keep_faces, make_mesh
from limbeck.assets.quality import measure_quality, overlap
from limbeck.assets.simplify import simplify_mesh
from limbeck.assets.texture import Texture
from oracles.shapes import ball_cloud, ball_mesh, joined, torus_cloud


@pytest.mark.parametrize("budget", [500, 20_000])
def test_an_extracted_asset_has_no_faults(budget):
    cloud = joined(torus_cloud(0.5, 0.2), ball_cloud(0.2, (0.0, 0.0, 0.55)), ball_cloud(0.12, (0.9, 0.0, 0.4)))
    mesh = simplify_mesh(clean_mesh(extract_mesh(cloud, resolution=96)), budget)
    asset = textured(mesh, [], 256)
    found = measure_quality(asset)
    assert found.faces <= budget
    assert (found.boundary_edges, found.degenerate_faces, found.inverted_faces) == (0, 0, 0)
    # Sums of areas and counts of samples differ by sampling: one texel in a thousand.
    assert found.overlapping_texels < 0.001 * 256**2
    assert len(encode_glb(asset)) < 8e6


def test_faults_are_counted():
    ball = ball_mesh(subdivisions=2)
    is_kept = np.ones(len(ball.faces), bool)
    is_kept[0] = False
    assert measure_quality(keep_faces(ball, is_kept)).boundary_edges == 3
    vertices, faces = np.concatenate([ball.vertices, ball.vertices[:1]]), ball.faces.copy()
    flat = np.append(faces, [[0, 1, len(ball.vertices)]], axis=0)
    assert measure_quality(make_mesh(vertices, flat)).degenerate_faces == 1
    folded = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 1, 0], [0.5, 0.9, 0.01]])
    assert measure_quality(make_mesh(folded, np.array([[0, 1, 2], [1, 0, 3]]))).inverted_faces == 1


def test_overlap_is_the_area_that_two_faces_share():
    uvs = np.array([[0, 0], [0.5, 0], [0, 0.5], [0.5, 0.5]], np.float32)
    picture = np.zeros((64, 64, 3), np.uint8)
    apart = Texture(uvs, np.array([[0, 1, 2], [1, 3, 2]], np.int32), picture)
    twice = Texture(uvs, np.array([[0, 1, 2], [0, 1, 3]], np.int32), picture)
    assert overlap(apart) < 5
    # Each triangle is an eighth of the picture; the two share half of it.
    assert overlap(twice) == pytest.approx(64 * 64 / 16, rel=0.05)
    square = make_mesh(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), twice.uv_faces)
    assert measure_quality(replace(square, texture=twice)).overlapping_texels > 200
