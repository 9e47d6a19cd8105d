# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes that are damaged, too large or not there: each has a message, and Blender goes on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.hostile_server import HostileServer
from blender.synthetic_engine import bird
from limbeck_protocol import messages as m
from limbeck_protocol.frames import Header
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, pack_mesh

GOOD = mesh_arrays(MeshData(*bird(8, 1.0)))
VERTICES, FACES = len(GOOD["vertices"]), len(GOOD["faces"])


@pytest.fixture
def server(own_folder: None, tmp_path: Path) -> Iterator[HostileServer]:
    played = HostileServer(tmp_path)
    yield played
    played.close()


@pytest.fixture
def running(server: HostileServer, addon: Any) -> Any:
    """Return the extension with a job that it believes to run."""
    pump(addon, server, lambda: addon.session.link.is_ready)
    addon.generate("a bird")
    pump(addon, server, lambda: addon.session.job.phase == "running")
    return addon


def pump(addon: Any, server: HostileServer, is_so: Any) -> None:
    def turned() -> bool:
        server.turn()
        return bool(is_so())

    addon.pump_until(turned)


def assert_good_mesh_is_shown(addon: Any, server: HostileServer) -> None:
    server.preview(GOOD)
    pump(addon, server, lambda: addon.live() is not None and len(addon.live().data.vertices) == VERTICES)
    assert not addon.live().data.validate()
    assert addon.session.job.phase == "running"


def changed(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(array) for name, array in (GOOD | arrays).items()}


def with_nan() -> np.ndarray:
    vertices = GOOD["vertices"].copy()
    vertices[3, 1] = np.nan
    return vertices


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param(changed(vertices=with_nan()), id="nan"),
        pytest.param(changed(vertices=np.full_like(GOOD["vertices"], np.inf)), id="infinite"),
        pytest.param(changed(faces=GOOD["faces"] + np.uint32(VERTICES)), id="index-out-of-range"),
        pytest.param(changed(faces=GOOD["faces"] | np.uint32(1 << 31)), id="index-negative-in-blender"),
        pytest.param(changed(colors=GOOD["colors"][:-1]), id="a-colour-is-missing"),
        pytest.param(changed(vertices=GOOD["vertices"][:, :2]), id="flat-vertices"),
        pytest.param(changed(vertices=GOOD["vertices"].astype("<f2")), id="half-floats"),
        pytest.param(changed(faces=GOOD["faces"].reshape(-1)), id="flat-faces"),
        pytest.param({"vertices": GOOD["vertices"]}, id="no-faces"),
        pytest.param(changed(edges=np.full((4, 2), 9999, "<u4"), corner_edges=np.zeros(3 * FACES, "<u4")), id="edges"),
    ],
)
def test_damaged_mesh_is_refused_with_a_message_and_the_next_good_one_is_shown(
    running: Any, server: HostileServer, arrays: dict[str, np.ndarray]
) -> None:
    assert_good_mesh_is_shown(running, server)
    server.preview(arrays)
    pump(running, server, lambda: running.session.job.problem is not None)
    problem = running.session.job.problem
    assert problem.code == "E_MESH"
    assert problem.message
    assert problem.remedy
    assert len(running.live().data.vertices) == VERTICES, "the last good mesh stays"
    assert_good_mesh_is_shown(running, server)


@pytest.mark.parametrize(
    ("vertices", "faces"), [(-1, 4), (4_000_000, 4_000_000), (0, 0), (2**31, 1), (10, 2**40)], ids=str
)
def test_mesh_of_an_impossible_size_is_refused_before_it_is_pulled(
    running: Any, server: HostileServer, vertices: int, faces: int
) -> None:
    server.large_preview(vertices, faces, b"\0" * 16)
    pump(running, server, lambda: running.session.job.problem is not None)
    assert not any(isinstance(message, m.BlobRead) for message in server.heard)
    assert_good_mesh_is_shown(running, server)


def test_mesh_with_another_checksum_is_refused(running: Any, server: HostileServer) -> None:
    counts, blob = pack_mesh(MeshData(*bird(8, 1.0)))
    server.large_preview(counts["vertices"], counts["faces"], blob)
    server.blob = blob[:-1] + b"\1"
    pump(running, server, lambda: running.session.job.problem is not None)
    assert running.session.job.problem.code == "E_CHECKSUM"
    assert_good_mesh_is_shown(running, server)


def test_frames_that_are_no_messages_are_dropped(running: Any, server: HostileServer) -> None:
    for frames in ([b"LMB\x01"], [b"LMB\x01", b"{}"], [b"LMB\x01", b"\xff" * 99], [b"LMB\x01", *[b"x" * 1000] * 5]):
        server.say_frames(frames)
    server.say(m.JobEvent("state", "running"), Header("", job="01J0000000000000000000000X", seq=1))
    assert_good_mesh_is_shown(running, server)


@pytest.mark.parametrize("frames", [[b""], [b"x" * 1000] * 5, [b"LMB\x02", b"{}"]])
def test_another_wire_is_said_and_the_mesh_stays(running: Any, server: HostileServer, frames: list[bytes]) -> None:
    assert_good_mesh_is_shown(running, server)
    server.say_frames(frames)
    server.preview(GOOD)
    pump(running, server, lambda: running.session.link.status.text == "Server speaks another version")
    assert running.session.link.status.remedy
    assert len(running.live().data.vertices) == VERTICES


def test_a_million_triangles_are_a_message_with_a_remedy_or_are_shown(running: Any, server: HostileServer) -> None:
    mesh = MeshData(*bird(500, 1.0))
    assert len(mesh.faces) > 990_000
    counts, blob = pack_mesh(mesh)
    server.large_preview(counts["vertices"], counts["faces"], blob)
    pump(running, server, lambda: running.session.job.problem is not None)
    problem = running.session.job.problem
    assert "triangles" in problem.message
    assert "preferences" in problem.remedy
    assert running.live() is None
    running.module("preferences").addon_preferences(bpy.context).live_triangles = 2_000_000
    pump(running, server, lambda: running.session.link.settings.live_triangles == 2_000_000)
    server.large_preview(counts["vertices"], counts["faces"], blob)
    pump(running, server, lambda: running.live() is not None and len(running.live().data.polygons) == len(mesh.faces))
    assert running.session.job.problem is None, "what was the problem is mended"
    assert_good_mesh_is_shown(running, server)


def test_a_job_id_that_is_a_path_is_not_followed(server: HostileServer, addon: Any) -> None:
    server.job = "../../escape"
    pump(addon, server, lambda: addon.session.link.is_ready)
    addon.generate("a bird")
    pump(addon, server, lambda: addon.session.problem is not None)
    assert addon.session.job is None
    assert "job id" in addon.session.problem.message
