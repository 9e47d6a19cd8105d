# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of the server: its panel, the diagnostics, the buttons that mend errors, and the preferences."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest

from blender.inside.recording_layout import DrawnPanel
from blender.inside.scenario_server_care import KEY, draw, preferences, use
from limbeck_protocol.connection import Endpoint

pytestmark = pytest.mark.usefixtures("own_folder")


def test_server_panel_tells_what_the_server_does_only_while_it_is_open(
    addon: Any, own_server: Callable[[], Any]
) -> None:
    own_server()
    link = addon.session.link
    addon.pump_until(lambda: link.is_ready)
    for _ in range(20):
        addon.session.pump()
    assert link.questions.busyness is None, "nobody looks"
    draw("server")
    addon.pump_until(lambda: link.questions.busyness is not None)
    layout = draw("server")
    shown = " | ".join(layout.texts("label"))
    assert f"Version {link.client.server.version}, as admin" in shown
    assert "0 jobs wait, 1 clients" in shown
    assert "Idle" in shown or "Starting" in shown
    assert "Address: ipc://" in shown
    buttons = ["start_server", "stop_server", "restart_server", "reconnect", "open_log", "copy_diagnostics"]
    assert layout.texts("operator") == [f"limbeck.{name}" for name in buttons]


def test_diagnostics_of_this_session_hold_no_secret(addon: Any, tmp_path: Path) -> None:
    use(addon, tmp_path / "there.json", Endpoint("tcp://127.0.0.1:1", KEY, KEY, KEY))
    addon.request.prompt = "my neighbour's face"
    addon.session.problem = addon.module("job").Problem("my neighbour's face cannot be made", code="E_EMPTY")
    addon.pump_until(lambda: addon.session.link.client is not None)
    addon.session.link.process.log_file.write_text(f"key {KEY}, {addon.request.prompt}, {Path.home()}/x\n")
    manager = SimpleNamespace(clipboard="")
    execute = bpy.types.LIMBECK_OT_copy_diagnostics.execute
    execute(SimpleNamespace(report=lambda *_: None), SimpleNamespace(window_manager=manager))
    for secret in (KEY, "neighbour", f"{Path.home()}/", os.uname().nodename):
        assert secret not in manager.clipboard, secret
    assert "E_EMPTY" in manager.clipboard
    assert bpy.app.version_string in manager.clipboard


@pytest.mark.parametrize(
    "code", ["E_GPU_OOM", "E_OUT_OF_MEMORY", "E_DISK_FULL", "E_SETTING_UNKNOWN", "E_FACES_TOO_FEW"]
)
def test_error_draws_its_remedy_and_its_button(addon: Any, code: str) -> None:
    fixes = addon.module("fixes")
    addon.session.problem = addon.module("job").Problem("It failed", code=code)
    layout = draw()
    assert fixes.FIXES[code].operator in layout.texts("operator")
    assert fixes.FIXES[code].remedy in " ".join(layout.texts("label"))


def test_every_fix_and_every_button_is_registered(addon: Any) -> None:
    fixes = addon.module("fixes")
    for operator in {*fixes.LABELS, *fixes.LINK_FIXES.values()}:
        assert hasattr(bpy.types, "LIMBECK_OT_" + operator.partition(".")[2]), operator


def test_fixes_change_what_is_asked_for(addon: Any) -> None:
    request = addon.request
    request.quality, request.steps = "HIGH", 77
    bpy.ops.limbeck.lower_quality()
    assert (request.quality, request.steps) == ("NORMAL", 0)
    bpy.ops.limbeck.smaller_asset()
    assert (request.faces, request.texture_size) == (10_000, "512")
    bpy.ops.limbeck.more_faces()
    assert request.faces == 20_000
    request.recipe, request.overrides, request.prior = "no", "a=1", "/x"
    bpy.ops.limbeck.use_default_recipe()
    bpy.ops.limbeck.clear_overrides()
    bpy.ops.limbeck.use_embedded_prior()
    assert (request.recipe, request.overrides, request.prior) == ("limbeck", "", "embedded")
    with pytest.raises(RuntimeError, match="No other job"):
        bpy.ops.limbeck.pause_others()


def test_preferences_are_drawn(addon: Any) -> None:
    panel = DrawnPanel()
    preferences_type = type(preferences(addon))
    for name in preferences_type.__annotations__:
        setattr(panel, name, getattr(preferences(addon), name))
    preferences_type.draw(panel, bpy.context)
    assert {"connection_file", "server_command", "start_server", "mark_assets"} <= set(panel.layout.texts("prop"))
    assert "limbeck.paste_connection" in panel.layout.texts("operator")
