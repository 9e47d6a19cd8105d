# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job, with faces or, for a client that has them, without."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol import PREVIEW_UPDATES
from limbeck_protocol.client import PreviewMesh
from limbeck_protocol.job import JobSpec
from limbeck_protocol.mesh_codec import MeshData, mesh_from_arrays, pack_mesh, unpack_mesh, unpack_update
from limbeck_server.previews import Previews
from server.harness import RunningServer, connected, kinds, run_job
from server.strategies import meshes
from server.synthetic_engine import grid


def put(previews: Previews, mesh: MeshData) -> None:
    counts, blob = pack_mesh(mesh)
    previews.put("job", 1, counts["vertices"], counts["faces"], blob)


@given(first=meshes(), second=meshes())
def test_topologies_change_exactly_with_the_faces(first: MeshData, second: MeshData) -> None:
    previews = Previews()
    put(previews, first)
    before = previews.newest("job")
    put(previews, second)
    after = previews.newest("job")
    assert before is not None
    assert after is not None
    has_same = len(first.vertices) == len(second.vertices) and np.array_equal(first.faces, second.faces)
    assert (after.topology == before.topology) == has_same
    assert after.seq == before.seq + 1


@given(mesh=meshes())
def test_an_update_and_its_faces_are_the_whole(mesh: MeshData) -> None:
    previews = Previews()
    put(previews, mesh)
    preview = previews.newest("job")
    assert preview is not None
    whole = unpack_mesh(preview.vertices, preview.faces, preview.whole.blob)
    update = unpack_update(preview.vertices, mesh.faces, preview.update.blob)
    inline = mesh_from_arrays(preview.update.arrays | {"faces": mesh.faces})
    for got in (whole, update, inline):
        np.testing.assert_array_equal(got.vertices, mesh.vertices)
        np.testing.assert_array_equal(got.faces, mesh.faces)
        np.testing.assert_array_equal(got.colors, mesh.colors)


@given(mesh=meshes(), dropped=st.integers(1, 4))
def test_numbers_go_on_after_a_pause(mesh: MeshData, dropped: int) -> None:
    previews, seen = Previews(), []
    for _ in range(dropped):
        put(previews, mesh)
        preview = previews.newest("job")
        assert preview is not None
        seen.append((preview.seq, preview.topology))
        previews.drop("job")
    assert seen == [(number, number) for number in range(1, dropped + 1)]


def test_a_real_server_leaves_out_faces_that_the_client_has(server: RunningServer) -> None:
    with connected(server, "topology") as client:
        assert client.server is not None
        assert client.server.features == (PREVIEW_UPDATES,)
        _, events = run_job(client, JobSpec("a big penguin", steps=12))  # 512 x 512 vertices in every preview
    shown = kinds(events, PreviewMesh)
    _, faces, _ = grid(512, 1.0)
    assert all(np.array_equal(event.mesh.faces, faces) for event in shown)
    assert len(shown) > 1
    assert [event.has_same_faces for event in shown] == [False] + [True] * (len(shown) - 1)
