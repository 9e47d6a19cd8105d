# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Edges that travel with a mesh: right, refused when they are not, and only for those who asked."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

from limbeck_protocol.client import Client, PreviewMesh
from limbeck_protocol.connection import Endpoint
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, mesh_from_arrays, pack_mesh, unpack_mesh
from limbeck_protocol.mesh_edges import find_edges, require_edges
from limbeck_server.engine import EnginePreview
from limbeck_server.mesh_packer import MeshPacker
from server.harness import kinds, run_job
from server.in_process import service
from server.strategies import meshes
from server.synthetic_engine import grid


def with_edges(n: int = 4) -> MeshData:
    vertices, faces, colors = grid(n, 1.0)
    found = find_edges(faces)
    assert found is not None
    return MeshData(vertices, faces, colors, *found)


@given(meshes())
def test_edges_are_those_of_the_faces(mesh: MeshData) -> None:
    found = find_edges(mesh.faces)
    sides = {
        tuple(sorted((int(a), int(b)))) for face in mesh.faces for a, b in zip(face, np.roll(face, -1), strict=True)
    }
    if found is None:
        assert not len(mesh.faces) or any(a == b for a, b in sides)
        return
    edges, corner_edges = found
    assert {tuple(edge) for edge in edges.tolist()} == sides
    assert len(edges) == len(sides)
    for corner, (start, end) in enumerate(
        zip(mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel(), strict=True)
    ):
        assert edges[corner_edges[corner]].tolist() == sorted((int(start), int(end)))
    whole = replace(mesh, edges=edges, corner_edges=corner_edges)
    counts, blob = pack_mesh(whole)
    again = unpack_mesh(counts["vertices"], counts["faces"], blob, counts["edges"])
    np.testing.assert_array_equal(again.edges, edges)
    np.testing.assert_array_equal(again.corner_edges, corner_edges)


def changed(array: np.ndarray, index: int, value: int) -> np.ndarray:
    other = array.copy()
    other.flat[index] = value
    return other


GOOD = with_edges()
EDGES, CORNERS = GOOD.edges, GOOD.corner_edges


@pytest.mark.parametrize(
    "damage",
    [
        {"edges": changed(EDGES, 0, 99)},
        {"edges": changed(EDGES, 1, 2)},
        {"edges": EDGES[:-1]},
        {"edges": EDGES[:, ::-1]},
        {"edges": np.concatenate([EDGES, EDGES[-1:]])},
        {"edges": np.concatenate([EDGES, [[14, 15]]]).astype(np.uint32)},
        {"edges": EDGES[:0]},
        {"edges": EDGES.astype(np.int32)},
        {"corner_edges": None},
        {"edges": None},
        {"corner_edges": changed(CORNERS, 3, len(EDGES))},
        {"corner_edges": changed(CORNERS, 3, 0)},
        {"corner_edges": CORNERS[:-1]},
        {"corner_edges": CORNERS.reshape(-1, 3)},
    ],
)
def test_edges_that_do_not_fit_are_refused(damage: dict) -> None:
    arrays = mesh_arrays(GOOD)
    assert mesh_from_arrays(arrays).edges is not None
    arrays = {name: array for name, array in (arrays | damage).items() if array is not None}
    with pytest.raises(ProtocolError, match="E_MESH"):
        mesh_from_arrays(arrays)


def test_a_face_that_names_a_vertex_twice_has_no_edges() -> None:
    faces = np.array([[0, 1, 2], [2, 2, 1]], np.uint32)
    assert find_edges(faces) is None
    with pytest.raises(ProtocolError, match="E_MESH"):
        require_edges(
            faces, np.array([[0, 1], [0, 2], [1, 2], [2, 2]], np.uint32), np.array([0, 2, 1, 3, 2, 2], np.uint32)
        )


def test_a_worker_looks_for_edges_once_a_topology_and_only_if_somebody_wants_them() -> None:
    packer, small, large = MeshPacker(), EnginePreview(1, *grid(4, 1.0)), EnginePreview(2, *grid(5, 1.0))
    assert packer.pack(small)[0].edges == 0
    late, arrays = packer.pack(small, wants_edges=True)
    assert (late.has_faces, late.edges) == (False, len(EDGES))
    assert b"".join(a.tobytes() for n, a in arrays.items() if n.startswith("edges")) == EDGES.tobytes()
    assert packer.pack(small, wants_edges=True)[0].edges == 0, "the server has them"
    assert packer.pack(large, wants_edges=True)[0].edges > len(EDGES)
    assert packer.pack(small)[0].edges == 0


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    with service(tmp_path, monkeypatch) as found:
        yield found


@pytest.mark.parametrize("prompt", ["a penguin", "big"])
def test_previews_bring_edges_to_a_client_that_wants_them(endpoint: Endpoint, prompt: str) -> None:
    with closing(Client(endpoint, app="test", client_id="edges", wants_edges=True)) as client:
        _, events = run_job(client, JobSpec(prompt, steps=20))
    shown = kinds(events, PreviewMesh)
    assert shown
    edged = [event.mesh for event in shown if event.mesh.edges is not None]
    assert edged, "the first may come before the worker knows; the others do not"
    for mesh in edged:
        edges, corner_edges = find_edges(mesh.faces) or (None, None)
        np.testing.assert_array_equal(mesh.edges, edges)
        np.testing.assert_array_equal(mesh.corner_edges, corner_edges)


def test_other_clients_get_none(endpoint: Endpoint) -> None:
    with closing(Client(endpoint, app="test", client_id="plain")) as client:
        _, events = run_job(client, JobSpec("a penguin", steps=10))
    assert [event for event in kinds(events, PreviewMesh) if event.mesh.edges is not None] == []
