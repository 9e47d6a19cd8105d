# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The newest preview of each job, with faces or, for a client that has them, without."""

import gc
import weakref
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from limbeck_protocol import PREVIEW_UPDATES
from limbeck_protocol.client import PreviewMesh
from limbeck_protocol.job import JobSpec
from limbeck_protocol.mesh_codec import MeshData, mesh_from_arrays, pack_mesh, unpack_mesh, unpack_update
from limbeck_server.previews import PATIENCE_S, REFRESH_S, STALE_S, PackedMesh, Previews
from server.harness import RunningServer, connected, has_ended, kinds, pump_until, submit
from server.strategies import meshes
from server.synthetic_engine import grid


def packed(mesh: MeshData, *, has_faces: bool = True) -> PackedMesh:
    points = mesh.vertices.tobytes() + mesh.colors.tobytes()
    triangles = mesh.faces.tobytes() if has_faces else None
    return PackedMesh(1, len(mesh.vertices), len(mesh.faces), points, triangles, zlib.crc32(points))


def put(previews: Previews, mesh: MeshData, job: str = "job") -> None:
    previews.put(job, packed(mesh))


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
    whole = unpack_mesh(len(mesh.vertices), len(mesh.faces), preview.offer(is_update=False).blob)
    update = unpack_update(len(mesh.vertices), mesh.faces, preview.offer(is_update=True).blob)
    inline = mesh_from_arrays(preview.offer(is_update=True).arrays | {"faces": mesh.faces})
    assert preview.offer(is_update=False).blob == pack_mesh(mesh)[1]
    for got in (whole, update, inline):
        np.testing.assert_array_equal(got.vertices, mesh.vertices)
        np.testing.assert_array_equal(got.faces, mesh.faces)
        np.testing.assert_array_equal(got.colors, mesh.colors)


def test_a_mesh_without_faces_is_the_one_before_with_other_vertices() -> None:
    previews, low, high = Previews(), MeshData(*grid(5, 1.0)), MeshData(*grid(5, 2.0))
    without = packed(high, has_faces=False)
    previews.put("job", without)
    assert previews.newest("job") is None
    put(previews, low)
    for damaged in (replace(without, faces=4), replace(without, vertices=24), replace(without, points=b"short")):
        previews.put("job", damaged)
        assert previews.newest("job").seq == 1  # pyright: ignore[reportOptionalMemberAccess]
    previews.put("job", without)
    preview = previews.newest("job")
    assert preview is not None
    assert (preview.seq, preview.topology) == (2, 1)
    assert preview.offer(is_update=False).blob == pack_mesh(high)[1]


@given(mesh=meshes(), pauses=st.integers(1, 4), limit=st.sampled_from([0, 1 << 30]))
def test_numbers_go_on_after_a_pause(mesh: MeshData, pauses: int, limit: int) -> None:
    assume(len(mesh.vertices) > 0)
    previews, seen = Previews(), []
    for _ in range(pauses):
        put(previews, mesh)
        preview = previews.newest("job")
        assert preview is not None
        seen.append((preview.seq, preview.topology))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("limbeck_server.previews.RESTING_BYTES", limit)
            previews.rest("job")
        assert (previews.newest("job") is None) == (limit == 0)
    topologies = [number if limit == 0 else 1 for number in range(1, pauses + 1)]
    assert seen == list(zip(range(1, pauses + 1), topologies, strict=True))
    previews.drop("job")
    put(previews, mesh)
    assert previews.newest("job").seq == 1  # pyright: ignore[reportOptionalMemberAccess]


def test_previews_of_jobs_that_wait_take_so_much_memory_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    previews, mesh = Previews(), MeshData(*grid(100, 1.0))
    put(previews, mesh, "running")
    size = previews.newest("running").size_bytes  # pyright: ignore[reportOptionalMemberAccess]
    monkeypatch.setattr("limbeck_server.previews.RESTING_BYTES", 2 * size)
    for job in ("first", "second", "third", "fourth"):
        put(previews, mesh, job)
        previews.rest(job)
    jobs = ("running", "first", "second", "third", "fourth")
    assert [job for job in jobs if previews.newest(job) is not None] == ["running", "third", "fourth"]


def test_a_preview_is_freed_as_soon_as_nobody_is_offered_it() -> None:
    previews = Previews()
    put(previews, MeshData(*grid(300, 1.0)))
    before = previews.newest("job")
    assert before is not None
    offers = [before.offer(is_update=is_update) for is_update in (False, True)]
    is_there = weakref.ref(before)
    gc.disable()  # a cycle would keep it until the collector comes, and with it tens of megabytes
    try:
        put(previews, MeshData(*grid(300, 2.0)))
        del before
        assert is_there() is None
    finally:
        gc.enable()
    assert all(offer.arrays == {} and offer.announcement.crc32 for offer in offers)


def test_workers_wait_until_somebody_wants_more_but_not_for_long() -> None:
    now, paid = [0.0], []
    previews = Previews(lambda: now[0])
    previews.owe("job", lambda: paid.append("job"))
    previews.owe("other", lambda: paid.append("other"))
    previews.owe("ended", lambda: paid.append("ended"))
    previews.refresh()
    assert paid == []
    previews.ask_newer("job")
    previews.ask_newer("job")
    assert paid == ["job"]
    previews.drop("ended")
    now[0] = REFRESH_S
    previews.refresh()
    previews.refresh()
    assert paid == ["job", "other"]


def test_an_old_preview_waits_a_moment_for_a_newer_one_that_may_come() -> None:
    now, paid, mesh = [0.0], [], MeshData(*grid(5, 1.0))
    previews = Previews(lambda: now[0])
    assert not previews.is_worth_waiting("job")
    put(previews, mesh)
    previews.owe("job", lambda: paid.append(now[0]))
    now[0] = STALE_S
    assert not previews.is_worth_waiting("job")
    now[0] = 0.5
    assert previews.is_worth_waiting("job")
    assert paid == [0.5]
    now[0] += PATIENCE_S
    assert not previews.is_worth_waiting("job"), "its worker has none"
    put(previews, mesh)
    assert not previews.is_worth_waiting("job"), "it has come"


def test_a_real_server_leaves_out_faces_that_the_client_has(server: RunningServer) -> None:
    with connected(server, "topology") as client:
        assert client.server is not None
        assert client.server.features == (PREVIEW_UPDATES,)
        job = submit(client, JobSpec("a big penguin", steps=5000))  # 512 x 512 vertices in every preview
        client.watch(job)
        events = [e for _ in range(3) for e in pump_until(client, lambda event: isinstance(event, PreviewMesh))]
        client.cancel(job)
        pump_until(client, lambda event: has_ended(event, job))
    shown = kinds(events, PreviewMesh)
    _, faces, _ = grid(512, 1.0)
    assert all(np.array_equal(event.mesh.faces, faces) for event in shown)
    assert len(shown) == 3
    assert [event.has_same_faces for event in shown] == [False] + [True] * (len(shown) - 1)
