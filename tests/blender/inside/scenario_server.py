# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job and its server: what happens where one of the two goes, or comes back."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import bpy

from blender.inside.conftest import assets, wait_for_live, wait_until
from blender.synthetic_engine import SERVE
from limbeck_protocol import blocking
from limbeck_protocol.connection import connection_file
from limbeck_protocol.events import JobChanged, Status

Server = Callable[[], Any]


def ready_with(addon: Any, own_server: Server) -> Any:
    process = own_server()
    addon.pump_until(lambda: addon.session.link.is_ready)
    return process


def test_killed_server_is_reconnecting_without_an_exception(addon: Any, own_server: Server) -> None:
    process = ready_with(addon, own_server)
    addon.request.steps = 400
    addon.generate("a blue bird")
    wait_for_live(addon)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    addon.pump_until(lambda: addon.session.link.status.text == "Reconnecting", timeout_s=15)
    assert addon.session.job is not None
    assert bpy.ops.limbeck.cancel() == {"FINISHED"}
    assert addon.session.job is None
    assert len(bpy.data.objects) == 1, "the mesh stays where the server cannot be asked"


def restart_after_kill(addon: Any, own_server: Server, steps: int, meanwhile: Callable[[], None]) -> None:
    process = ready_with(addon, own_server)
    addon.request.steps = steps
    addon.generate("a blue bird")
    wait_for_live(addon)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    meanwhile()
    own_server()


def test_a_killed_servers_job_goes_on_when_it_is_back(addon: Any, own_server: Server) -> None:
    restart_after_kill(addon, own_server, 40, lambda: None)
    addon.pump_until(lambda: addon.session.job is None, timeout_s=60)
    assert addon.session.problem is None
    assert [thing["prompt"] for thing in assets()] == ["a blue bird"]
    assert len(bpy.data.objects) == 1


def test_restarted_server_that_lost_the_job_ends_it_with_a_message(addon: Any, own_server: Server) -> None:
    def lose() -> None:
        for path in Path(os.environ["LIMBECK_DATA_DIR"]).glob("*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    restart_after_kill(addon, own_server, 400, lose)
    addon.pump_until(lambda: addon.session.job is None)
    assert addon.session.problem is not None
    assert addon.session.problem.remedy


def test_loading_a_file_follows_its_job_again(ready: Any, tmp_path: Path) -> None:
    ready.request.steps = 16
    ready.generate("a blue bird")
    wait_for_live(ready)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "bird.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    assert ready.session.job is None
    assert "limbeck get" in ready.session.note
    ready.session.pump()
    assert not bpy.data.objects, "the other file's job leaves this one alone"
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "bird.blend"))
    assert ready.session.job is not None
    ready.pump_until(lambda: ready.session.job is None)
    assert [thing["prompt"] for thing in assets()] == ["a blue bird"]
    assert len(bpy.data.objects) == 1


def test_unregistering_in_mid_job_leaves_the_job_alone(ready: Any) -> None:
    import addon_utils

    ready.request.steps = 400
    ready.generate("a blue bird")
    wait_for_live(ready)
    job = ready.session.job.id
    addon_utils.disable("bl_ext.user_default.limbeck")
    with closing(blocking.connect("test", "test")) as client:
        client.status(job)
        (line,) = blocking.expect(client, Status).jobs
        assert line.state == "running"
        client.cancel(job)
        blocking.expect(client, JobChanged)
    addon_utils.enable("bl_ext.user_default.limbeck")


def test_generate_starts_a_server_where_none_runs(addon: Any, own_folder: None, tmp_path: Path) -> None:
    command = tmp_path / "limbeck"
    command.write_text(f"#!/bin/sh\nexec {' '.join(SERVE)}\n")
    command.chmod(0o755)
    addon.module("preferences").addon_preferences(bpy.context).server_command = str(command)
    addon.session.pump()
    addon.generate("a blue bird")
    assert addon.session.link.status.text == "Starting"
    addon.pump_until(lambda: addon.session.job is None)
    assert len(assets()) == 1
    process = addon.session.link.process
    assert bpy.ops.limbeck.stop_server() == {"FINISHED"}
    wait_until(lambda: not process.is_running)


def test_server_of_another_version_says_what_to_update(addon: Any, own_folder: None, tmp_path: Path) -> None:
    """A server that answers E_VERSION to whatever it is told."""
    import zmq

    from limbeck_protocol import MAJOR

    router = zmq.Context.instance().socket(zmq.ROUTER)
    address = f"ipc://{tmp_path}/s"
    router.bind(address)
    connection_file().parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    connection_file().write_text(json.dumps({"schema": 1, "address": address, "pid": os.getpid()}))
    connection_file().chmod(0o600)

    def refuse() -> bool:
        if router.poll(0):
            identity, _, header = router.recv_multipart()[:3]
            request = json.loads(header)
            body = {"code": "E_VERSION", "message": "the server speaks LMB/2", "remedy": "update the add-on to 2.0"}
            reply = {**request, "t": "error", "re": request["id"], "id": "0" * 26, "body": body}
            router.send_multipart([identity, b"LMB" + bytes([MAJOR + 1]), json.dumps(reply).encode()])
        return addon.session.link.status.text == "Server speaks another version"

    try:
        addon.pump_until(refuse)
    finally:
        router.close(linger=0)
        connection_file().unlink()
    assert addon.session.link.status.remedy
