# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Triangles of a scene as what a job starts from, and the place where they stood; the core is the judge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blender.addon import module
from limbeck.representations.shape import read_shape

mesh_file = module("mesh_file")
placement = module("placement")
refusal = module("refusal")

CUBE = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
FACES = np.array(
    [
        *[(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1)],
        *[(2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3)],
    ],
    np.int32,
)
SIZES = st.floats(0.05, 20) | st.floats(-20, -0.05)


def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def turned(x: float, y: float, z: float) -> np.ndarray:
    matrices = []
    for axis, angle in enumerate((x, y, z)):
        one, other = (axis + 1) % 3, (axis + 2) % 3
        matrix = np.eye(3)
        matrix[one, one] = matrix[other, other] = np.cos(angle)
        matrix[one, other], matrix[other, one] = -np.sin(angle), np.sin(angle)
        matrices.append(matrix)
    return matrices[2] @ matrices[1] @ matrices[0]


@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(SIZES, SIZES, SIZES), st.tuples(*[st.floats(-50, 50)] * 3))
def test_the_placement_brings_every_vertex_back(
    angles: tuple[float, ...], scale: tuple[float, ...], shift: tuple[float, ...]
) -> None:
    matrix = np.eye(4)
    matrix[:3, :3] = turned(*angles) @ np.diag(scale)
    matrix[:3, 3] = shift
    found = mesh_file.start_mesh(CUBE, FACES, matrix, "Cube")
    in_world = CUBE @ matrix[:3, :3].T + matrix[:3, 3]
    back = found.vertices @ found.matrix[:3, :3].T + found.matrix[:3, 3]
    assert np.allclose(back, in_world, atol=1e-4 * np.abs(in_world).max())
    assert np.linalg.norm(found.vertices, axis=1).max() == pytest.approx(mesh_file.REACH, rel=1e-5)
    rotation = found.matrix[:3, :3] / np.cbrt(np.linalg.det(found.matrix[:3, :3]))
    assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9), "a similarity, so that cameras stay cameras"
    assert volume(found.vertices, found.faces) > 0, "faces look outwards, mirrored or not"


def test_a_scaled_object_keeps_its_axes() -> None:
    found = mesh_file.start_mesh(CUBE, FACES, np.diag([1.0, 1.0, 4.0, 1.0]), "Tower")
    assert np.allclose(found.matrix[:3, :3], np.eye(3) * found.matrix[0, 0])
    assert np.ptp(found.vertices, axis=0)[2] == pytest.approx(4 * np.ptp(found.vertices, axis=0)[0], rel=1e-5)


def test_a_mirrored_object_stays_upright() -> None:
    for scale in ((-1.0, 1.0, 1.0), (1.0, -1.0, 1.0)):
        found = mesh_file.start_mesh(CUBE, FACES, np.diag([*scale, 1.0]), "Mirrored")
        assert found.is_mirrored
        assert found.matrix[2, 2] > 0


def test_the_core_reads_it_bit_for_bit_and_leaves_it_where_it_is() -> None:
    vertices = CUBE + np.random.default_rng(0).normal(0, 0.1, CUBE.shape)
    found = mesh_file.start_mesh(vertices, FACES, np.diag([1.0, 2.0, 3.0, 1.0]), "Cube")
    shape = read_shape("mesh", found.ply(), ".ply")
    assert np.array_equal(shape.original.vertices, found.vertices)
    assert np.array_equal(shape.faces, found.faces)
    assert np.allclose(shape.placement().centre, 0, atol=1e-6)
    assert shape.placement().radius == pytest.approx(1.0, abs=1e-6)


def test_loose_vertices_do_not_count() -> None:
    far = np.concatenate([CUBE, [(1e6, 0, 0), (np.nan, 0, 0)]])
    assert len(mesh_file.start_mesh(far, FACES, np.eye(4), "Cube").vertices) == 8


BOOK = np.array([(0, 1, 2), (0, 1, 3), (0, 1, 4)], np.int32)


@pytest.mark.parametrize(
    ("vertices", "faces", "matrix", "word"),
    [
        (CUBE, FACES[:0], np.eye(4), "no faces"),
        (np.where(CUBE == 1, np.nan, CUBE), FACES, np.eye(4), "not numbers"),
        (CUBE * 0, FACES, np.eye(4), "one place"),
        (CUBE, FACES, np.diag([1.0, 0.0, 1.0, 1.0]), "scale of zero"),
        (CUBE, FACES, np.diag([1.0, np.inf, 1.0, 1.0]), "not finite"),
        (CUBE, BOOK, np.eye(4), "three or more faces"),
        (CUBE, np.zeros((mesh_file.MAX_TRIANGLES + 1, 3), np.int32), np.eye(4), "500,001 triangles"),
    ],
)
def test_what_nothing_can_start_from_is_refused(
    vertices: np.ndarray, faces: np.ndarray, matrix: np.ndarray, word: str
) -> None:
    with pytest.raises(refusal.DescriptionError) as caught:
        mesh_file.start_mesh(vertices, faces, matrix, "Thing")
    assert word in caught.value.message
    assert '"Thing"' in caught.value.message
    assert caught.value.remedy


@given(
    st.tuples(*[st.floats(0.01, 5)] * 3), st.tuples(*[st.floats(-2, -0.01)] * 3), st.tuples(*[st.floats(0.01, 2)] * 3)
)
def test_an_asset_fills_its_box_and_stands_on_its_floor(
    box: tuple[float, ...], low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    matrix = np.array(placement.fill(box, low, high))
    corners = np.array([low, high]) @ matrix[:3, :3].T + matrix[:3, 3]
    assert corners[0, 2] == pytest.approx(-box[2])
    assert np.allclose(corners[0, :2] + corners[1, :2], 0, atol=1e-6)
    share = np.ptp(corners, axis=0) / (2 * np.array(box))
    assert share.max() == pytest.approx(1.0)


def test_without_a_box_an_asset_stays_as_it_was_made() -> None:
    assert np.array_equal(placement.fill(placement.NO_BOX, (-1, -1, -1), (1, 1, 1)), np.eye(4))
