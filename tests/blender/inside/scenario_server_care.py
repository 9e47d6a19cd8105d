# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server that is elsewhere, gone, old, another program, or not let in: each has its message and its button."""

import json
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
import zmq

from blender.inside.conftest import wait_until
from blender.inside.recording_layout import DrawnPanel, RecordingLayout
from blender.synthetic_engine import SERVE
from limbeck_protocol.connection import Endpoint, connection_file, endpoint_to_json

pytestmark = pytest.mark.usefixtures("own_folder")
KEY = "".join("abcdefghij" for _ in range(4))


def preferences(addon: Any) -> Any:
    return addon.module("preferences").addon_preferences(bpy.context)


def use(addon: Any, file: Path, endpoint: Endpoint) -> None:
    file.write_bytes(endpoint_to_json(endpoint))
    file.chmod(0o600)
    preferences(addon).connection_file = str(file)


def draw(*names: str) -> RecordingLayout:
    panel = DrawnPanel()
    context = SimpleNamespace(scene=bpy.context.scene, space_data=None, object=None)
    for name in names or ("main",):
        getattr(bpy.types, f"LIMBECK_PT_{name}").draw(panel, context)
    return panel.layout


def be_patient(addon: Any, seconds: float) -> None:
    """Let the link's clock go ahead, so that no test waits for its patience to end."""
    link = addon.session.link
    real = link._clock
    link._clock = lambda: real() + seconds


def assert_shows(addon: Any, text: str, button: str) -> None:
    layout = draw()
    assert layout.texts("label")[0] == text
    assert button in layout.texts("operator")
    assert addon.session.link.status.remedy
    addon.request.prompt = "a bird"
    with pytest.raises(RuntimeError, match=text.replace("(", ".")):
        bpy.ops.limbeck.generate()


def test_wrong_port_says_that_nobody_answers(addon: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    use(addon, tmp_path / "there.json", Endpoint(address))
    addon.pump_until(lambda: addon.session.link.client is not None and addon.session.link.client.reach == "unreachable")
    assert addon.session.link.status.text == "Connecting", "it may only be slow"
    be_patient(addon, 6.0)
    assert_shows(addon, "Nobody answers at the server's address", "limbeck.open_preferences")


def test_other_program_is_told_from_no_program(addon: Any, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        use(addon, tmp_path / "there.json", Endpoint(f"tcp://127.0.0.1:{other.getsockname()[1]}"))
        addon.pump_until(
            lambda: addon.session.link.client is not None and addon.session.link.client.reach == "connected"
        )
        be_patient(addon, 6.0)
        assert_shows(addon, "Another program answers at the server's address", "limbeck.open_preferences")


def test_other_zeromq_program_gets_longer_to_answer(addon: Any, tmp_path: Path) -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        port = router.bind_to_random_port("tcp://127.0.0.1")
        use(addon, tmp_path / "there.json", Endpoint(f"tcp://127.0.0.1:{port}"))
        addon.pump_until(lambda: addon.session.link.client is not None and addon.session.link.client.reach == "silent")
        be_patient(addon, 6.0)
        assert addon.session.link.status.text == "Connecting", "a busy server may take a while"
        be_patient(addon, 16.0)
        assert_shows(addon, "Another program answers at the server's address", "limbeck.open_preferences")


def test_missing_connection_file_is_named(addon: Any, tmp_path: Path) -> None:
    preferences(addon).connection_file = str(tmp_path / "gone.json")
    addon.session.pump()
    assert_shows(addon, "The connection file cannot be used", "limbeck.open_preferences")
    assert "gone.json" in addon.session.link.status.remedy


def test_connection_file_that_others_can_read_is_refused(addon: Any, tmp_path: Path) -> None:
    use(addon, tmp_path / "open.json", Endpoint("tcp://127.0.0.1:1"))
    (tmp_path / "open.json").chmod(0o644)
    addon.session.pump()
    assert_shows(addon, "The connection file cannot be used", "limbeck.open_preferences")


def test_corrected_file_is_used_without_a_restart(addon: Any, tmp_path: Path, own_server: Callable[[], Any]) -> None:
    preferences(addon).connection_file = str(tmp_path / "gone.json")
    addon.session.pump()
    own_server()
    preferences(addon).connection_file = str(connection_file())
    addon.pump_until(lambda: addon.session.link.is_ready)


def test_wrong_key_is_the_servers_refusal_and_connect_again_asks_anew(addon: Any, tmp_path: Path) -> None:
    """A server that answers E_AUTH, as Limbeck's does to a key that was revoked."""
    router = zmq.Context.instance().socket(zmq.ROUTER)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    use(addon, tmp_path / "there.json", Endpoint(f"tcp://127.0.0.1:{port}"))

    def refuse() -> bool:
        if router.poll(0):
            identity, first, header = router.recv_multipart()[:3]
            request = json.loads(header)
            body = {"code": "E_AUTH", "message": "the key is not authorised", "remedy": "ask for another"}
            reply = {**request, "t": "error", "re": request["id"], "id": "0" * 26, "body": body}
            router.send_multipart([identity, first, json.dumps(reply).encode()])
        return addon.session.link.status.text == "The server does not accept this key"

    try:
        addon.pump_until(refuse)
        assert_shows(addon, "The server does not accept this key", "limbeck.open_preferences")
        assert bpy.ops.limbeck.reconnect() == {"FINISHED"}
        assert addon.session.link.client is None
        addon.pump_until(refuse)
    finally:
        router.close(linger=0)


def test_server_elsewhere_names_who_can_allow_it(addon: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(addon, tmp_path / "there.json", Endpoint("tcp://192.0.2.1:5555", KEY, KEY, KEY))
    addon.session.pump()
    assert_shows(addon, "Blender's online access is off", "limbeck.open_online_access")
    settings = addon.session.link._settings()
    locked = type(settings)(connection_file=settings.connection_file, is_online_access_locked=True)
    addon.session.link._settings = lambda: locked
    addon.session.link._look_at = 0.0
    addon.session.pump()
    layout = draw()
    assert "limbeck.open_online_access" not in layout.texts("operator"), "the button could do nothing"
    assert "--offline-mode" in addon.session.link.status.remedy


def test_pasted_connection_is_private_and_in_no_blend(addon: Any, tmp_path: Path) -> None:
    text = endpoint_to_json(Endpoint("tcp://127.0.0.1:1", KEY, KEY, KEY)).decode()
    reports: list[str] = []
    manager = SimpleNamespace(clipboard=text)
    operator = SimpleNamespace(report=lambda _, message: reports.append(message))
    context = SimpleNamespace(window_manager=manager, preferences=bpy.context.preferences)
    execute = bpy.types.LIMBECK_OT_paste_connection.execute
    assert execute(operator, context) == {"FINISHED"}
    kept = Path(preferences(addon).connection_file)
    assert KEY in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert manager.clipboard == "", "the key does not stay there"
    blend = tmp_path / "saved.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(blend), compress=False)
    assert KEY.encode() not in blend.read_bytes()
    manager.clipboard = "a blue bird"
    assert execute(operator, context) == {"CANCELLED"}
    assert "limbeck keys new" in reports[-1]
    assert Path(preferences(addon).connection_file) == kept


@pytest.fixture
def command(own_folder: None, addon: Any, tmp_path: Path) -> Path:
    """Return a limbeck command that serves with the synthetic engine, which the preferences name."""
    file = tmp_path / "limbeck"
    file.write_text(f"#!/bin/sh\nexec {' '.join(SERVE)}\n")
    file.chmod(0o755)
    preferences(addon).server_command = str(file)
    addon.session.pump()
    return file


@pytest.mark.usefixtures("command")
def test_own_server_is_started_restarted_and_stopped_and_others_are_not(addon: Any) -> None:
    link = addon.session.link
    with pytest.raises(RuntimeError, match="never stops those of others"):
        bpy.ops.limbeck.stop_server()
    assert bpy.ops.limbeck.start_server() == {"FINISHED"}
    addon.pump_until(lambda: link.is_ready)
    with pytest.raises(RuntimeError, match="runs already"):
        bpy.ops.limbeck.start_server()
    epoch = link.client.server.epoch
    assert bpy.ops.limbeck.restart_server() == {"FINISHED"}
    addon.pump_until(lambda: link.is_ready and link.client.server.epoch != epoch)
    assert bpy.ops.limbeck.stop_server() == {"FINISHED"}
    wait_until(lambda: not link.process.is_running)


@pytest.mark.usefixtures("command")
def test_later_blender_adopts_and_may_stop_the_server_of_an_earlier_one(addon: Any) -> None:
    import addon_utils

    bpy.ops.limbeck.start_server()
    addon.pump_until(lambda: addon.session.link.is_ready)
    earlier = addon.session.link.process._process
    addon_utils.disable("bl_ext.user_default.limbeck")
    addon_utils.enable("bl_ext.user_default.limbeck")
    addon.session = addon.module("timer").session()
    addon.pump_until(lambda: addon.session.link.is_ready)
    assert addon.session.link.process._process is None
    assert bpy.ops.limbeck.stop_server() == {"FINISHED"}
    assert earlier.wait(timeout=20) is not None
    wait_until(lambda: not addon.session.link.process.is_running)


def test_server_of_others_is_adopted_and_never_stopped(addon: Any, own_server: Callable[[], Any]) -> None:
    process = own_server()
    addon.pump_until(lambda: addon.session.link.is_ready)
    for operator in (bpy.ops.limbeck.stop_server, bpy.ops.limbeck.restart_server):
        with pytest.raises(RuntimeError, match="never stops those of others"):
            operator()
    assert process.poll() is None
