# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from limbeck.assets.clean import (
    clean_mesh,
    drop_degenerate_faces,
    merge_duplicate_vertices,
    orient_outwards,
    remove_floaters,
    separate_touching_sheets,
    smooth,
)
from limbeck.assets.extract import extract_mesh
from limbeck.assets.mesh import Mesh, face_components, is_closed, make_mesh, signed_volume, surface_area
from limbeck.assets.quality import measure_quality
from limbeck.assets.simplify import simplify_mesh, unfolded
from limbeck.errors import LimbeckError
from oracles.shapes import as_trimesh, ball_cloud, ball_mesh, joined, joined_meshes, random_cloud, torus_cloud

TETRAHEDRON = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])


def inside_out(mesh: Mesh) -> Mesh:
    return make_mesh(mesh.vertices, mesh.faces[:, ::-1], mesh.colors_srgb)


def parts(mesh: Mesh) -> int:
    return int(face_components(mesh).max()) + 1


def assert_is_an_asset(mesh: Mesh, faces: int) -> None:
    checked = as_trimesh(mesh)
    assert 0 < len(mesh.faces) <= faces
    assert np.isfinite(mesh.vertices).all()
    assert len(np.unique(np.sort(mesh.faces, axis=1), axis=0)) == len(mesh.faces)
    assert (np.diff(np.sort(mesh.faces, axis=1), axis=1) > 0).all()
    assert len(np.unique(mesh.faces)) == len(mesh.vertices)
    assert checked.is_winding_consistent
    assert checked.is_watertight
    assert signed_volume(mesh) > 0


@pytest.mark.parametrize("faces", [20000, 2000, 300])
@pytest.mark.parametrize("cloud", [ball_cloud(), torus_cloud(), random_cloud(150)], ids=["ball", "torus", "random"])
def test_the_chain_gives_a_watertight_mesh_within_the_budget(cloud, faces):
    mesh = clean_mesh(extract_mesh(cloud, resolution=96))
    simple = simplify_mesh(mesh, faces)
    assert_is_an_asset(simple, faces)
    assert signed_volume(simple) == pytest.approx(signed_volume(mesh), rel=0.1)


def test_a_floater_goes_and_a_detached_part_stays():
    body, part, floater = (
        ball_cloud(0.5),
        ball_cloud(0.12, (0.75, 0, 0), count=150),
        ball_cloud(0.02, (0, 0, 0.8), count=12),
    )
    mesh = extract_mesh(joined(body, part, floater), resolution=96)
    assert parts(mesh) == 3
    cleaned = clean_mesh(mesh)
    assert parts(cleaned) == 2
    assert cleaned.vertices[:, 0].max() > 0.8
    assert cleaned.vertices[:, 2].max() < 0.7


def test_a_thin_pole_is_a_part_and_no_floater():
    pole = trimesh.creation.cylinder(radius=0.02, height=1.2)
    mesh = joined_meshes(ball_mesh(0.5), make_mesh(pole.vertices + np.array([0.8, 0, 0]), pole.faces))
    assert signed_volume(ball_mesh(0.5)) * 0.005 > pole.volume
    assert parts(remove_floaters(mesh)) == 2


def test_a_cavity_that_nobody_can_see_goes():
    mesh = joined_meshes(ball_mesh(0.5), inside_out(ball_mesh(0.4)))
    assert parts(remove_floaters(mesh)) == 1


def test_vertices_at_one_place_become_one():
    soup = make_mesh(CORNERS[TETRAHEDRON].reshape(-1, 3), np.arange(12).reshape(4, 3))
    merged = merge_duplicate_vertices(soup)
    assert len(merged.vertices) == 4
    assert is_closed(merged)
    assert signed_volume(merged) == pytest.approx(1 / 6)


def test_degenerate_and_doubled_faces_go():
    faces = np.concatenate([TETRAHEDRON, TETRAHEDRON[:1], [[0, 0, 1], [2, 1, 2]], np.roll(TETRAHEDRON[1:2], 1, axis=1)])
    mesh = drop_degenerate_faces(make_mesh(CORNERS, faces))
    assert is_closed(mesh)
    assert len(mesh.faces) == 4


def test_two_opposite_faces_cancel_each_other_out():
    flap = np.array([[0, 1, 4], [4, 1, 0]])
    mesh = drop_degenerate_faces(
        make_mesh(np.concatenate([CORNERS, [[1, 1, 1.0]]]), np.concatenate([TETRAHEDRON, flap]))
    )
    assert is_closed(mesh)
    assert len(mesh.vertices) == 4


def test_sheets_that_touch_along_an_edge_are_separated():
    # Two tetrahedra that share the edge 0-1.
    corners = np.concatenate([CORNERS, -CORNERS[2:]])
    second = np.array([0, 1, 4, 5])[TETRAHEDRON]
    mesh = make_mesh(corners, np.concatenate([TETRAHEDRON, second]))
    assert not is_closed(mesh)
    separated = separate_touching_sheets(mesh)
    assert is_closed(separated)
    assert len(separated.vertices) == 8
    assert is_closed(merge_duplicate_vertices(separated))
    assert np.abs(separated.vertices).max() < 1.01


def test_a_mesh_whose_sheets_do_not_touch_is_left_alone():
    mesh = ball_mesh(subdivisions=2)
    assert separate_touching_sheets(mesh) is mesh


def test_smoothing_removes_noise_and_keeps_the_volume():
    sphere = ball_mesh(0.5)
    noise = np.random.default_rng(0).normal(scale=0.004, size=(len(sphere.vertices), 1))
    noisy = make_mesh(sphere.vertices * (1 + noise), sphere.faces)
    smoothed = smooth(noisy)
    spread = [np.linalg.norm(mesh.vertices, axis=1).std() for mesh in (noisy, smoothed)]
    assert spread[1] < 0.5 * spread[0]
    assert signed_volume(smoothed) == pytest.approx(signed_volume(sphere), rel=0.01)


def test_smoothing_keeps_a_crease_roughly():
    box = trimesh.creation.box((1, 1, 1)).subdivide_to_size(0.06)
    cube = merge_duplicate_vertices(make_mesh(box.vertices, box.faces))
    smoothed = smooth(cube)
    moved = np.linalg.norm(smoothed.vertices - cube.vertices, axis=1)
    assert moved.max() < 0.05
    assert signed_volume(smoothed) == pytest.approx(1.0, abs=0.01)


def test_a_mesh_turned_inside_out_is_turned_back():
    assert signed_volume(orient_outwards(inside_out(ball_mesh()))) == pytest.approx(signed_volume(ball_mesh()))


@given(faces=st.integers(40, 5000))
@settings(max_examples=15, deadline=None)
def test_the_face_budget_is_never_exceeded(faces):
    mesh = ball_mesh(subdivisions=4)
    simple = simplify_mesh(mesh, faces)
    assert_is_an_asset(simple, faces)
    assert len(simple.faces) >= 0.8 * faces
    assert surface_area(simple) == pytest.approx(surface_area(mesh), rel=0.25)


def test_simplifying_keeps_colours():
    halves = joined_meshes(ball_mesh(0.5, (-1, 0, 0), (255, 0, 0)), ball_mesh(0.5, (1, 0, 0), (0, 0, 255)))
    simple = simplify_mesh(halves, 500)
    expected = np.where(simple.vertices[:, :1] < 0, [[255, 0, 0, 255]], [[0, 0, 255, 255]])
    np.testing.assert_array_equal(simple.colors_srgb, expected)


def test_a_small_mesh_is_left_alone():
    mesh = ball_mesh(subdivisions=1)
    assert simplify_mesh(mesh, 100) is mesh


def test_a_budget_that_breaks_the_shape_is_refused():
    torus = trimesh.creation.torus(1.0, 0.4)
    with pytest.raises(LimbeckError) as refused:
        simplify_mesh(make_mesh(torus.vertices, torus.faces), 4)
    assert refused.value.code == "E_FACES_TOO_FEW"
    with pytest.raises(LimbeckError, match="at least 4") as refused:
        simplify_mesh(ball_mesh(), 3)
    assert refused.value.code == "E_FACES_TOO_FEW"


def test_a_face_without_its_vertex_is_refused():
    with pytest.raises(ValueError, match=r"0\.\.3"):
        make_mesh(CORNERS, np.array([[0, 1, 4]]))


def test_a_vertex_that_is_no_number_is_refused():
    with pytest.raises(LimbeckError) as refused:
        make_mesh(CORNERS * np.nan, TETRAHEDRON)
    assert refused.value.code == "E_NOT_FINITE"


def test_a_folded_face_is_laid_flat_again():
    ball = ball_mesh(0.5, subdivisions=3)
    vertices = ball.vertices.copy()
    corner = ball.faces[0, 0]
    beyond = vertices[ball.faces[0, 1]] - vertices[corner]
    vertices[corner] += 2.2 * beyond
    folded = make_mesh(vertices, ball.faces)
    assert measure_quality(folded).inverted_faces > 0
    flat = unfolded(folded)
    assert measure_quality(flat).inverted_faces == 0
    assert is_closed(flat)
    near = np.linalg.norm(ball.vertices - ball.vertices[corner], axis=1) < 0.3
    np.testing.assert_array_equal(flat.vertices[~near], ball.vertices[~near])
    assert unfolded(ball) is ball
