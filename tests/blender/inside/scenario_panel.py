# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The sidebar in every state, and the extension's coming and going."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy  # isort: split

import addon_utils  # bpy puts it on the path
import pytest

from blender.inside.conftest import MODULE
from blender.inside.recording_layout import DrawnPanel, RecordingLayout

SOLID = SimpleNamespace(type="SOLID", color_type="MATERIAL")


def draw(space: Any = None) -> RecordingLayout:
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_main.draw(
        panel, SimpleNamespace(scene=bpy.context.scene, space_data=space, object=bpy.context.object)
    )
    bpy.types.LIMBECK_PT_advanced.draw(panel, bpy.context)
    return panel.layout


def test_registers_twice_and_leaves_nothing(addon: Any) -> None:
    tick = addon.module("timer")._tick
    for _ in range(2):
        addon_utils.disable(MODULE)
        assert not bpy.app.timers.is_registered(tick)
        assert not hasattr(bpy.types.Scene, "limbeck")
        assert not any("limbeck" in handler.__module__ for handler in bpy.app.handlers.load_post)
        addon_utils.enable(MODULE)
        assert bpy.app.timers.is_registered(addon.module("timer")._tick)


def test_no_server_and_no_command_shows_what_to_install(
    addon: Any, own_folder: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    addon.session.pump()
    layout = draw()
    assert "No server" in layout.texts("label")
    assert "python -m pip install ." in layout.texts("label")
    assert "limbeck.copy_install_command" in layout.texts("operator")
    assert "limbeck.start_server" not in layout.texts("operator")


def test_no_server_but_a_command_offers_to_start_one(addon: Any, own_folder: None, tmp_path: Path) -> None:
    command = tmp_path / "limbeck"
    command.touch()
    addon.module("preferences").addon_preferences(bpy.context).server_command = str(command)
    addon.session.pump()
    layout = draw()
    assert "limbeck.start_server" in layout.texts("operator")
    assert "limbeck.copy_install_command" not in layout.texts("operator")


def test_generate_says_why_it_is_off(addon: Any, own_folder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="Write a prompt first"):
        bpy.ops.limbeck.generate()
    monkeypatch.setenv("PATH", "")
    addon.request.prompt = "a bird"
    addon.session.pump()
    with pytest.raises(RuntimeError, match="No server"):
        bpy.ops.limbeck.generate()


def test_request_can_be_filled_in(addon: Any) -> None:
    fields = ["prompt", "negative_prompt", "image", "recipe", "seed", "random_seed", "quality"]
    assert draw().texts("prop") == [*fields, "steps", "faces", "texture_size", "prior", "overrides"]


def test_ready_server_shows_generate(addon: Any, shared_server: None) -> None:
    addon.pump_until(lambda: addon.session.link.is_ready)
    layout = draw()
    assert layout.texts("label")[0] == "Ready"
    assert layout.texts("operator") == ["limbeck.new_seed", "limbeck.generate"]


def test_running_job_shows_a_bar_and_cancel(addon: Any) -> None:
    origin = addon.module("placement").at((0.0, 0.0, 0.0))
    job = addon.module("job").FollowedJob("a bird", 0, "limbeck", origin, id="JOB", phase="running")
    addon.pretend(replace(job, stage="optimising", step=30, steps=120))
    layout = draw()
    assert layout.texts("progress") == ["Forming, step 30 of 120"]
    assert "limbeck.cancel" in layout.texts("operator")
    assert "limbeck.generate" in layout.texts("operator"), "another job may be sent while one runs"


def test_solid_viewport_without_colors_offers_them(addon: Any) -> None:
    origin = addon.module("placement").at((0.0, 0.0, 0.0))
    job = addon.module("job").FollowedJob("a bird", 0, "limbeck", origin, id="JOB", phase="running")
    addon.pretend(job)
    assert "limbeck.show_colors" not in draw(SimpleNamespace(shading=SOLID)).texts("operator")
    live = addon.module("live_mesh").create(job, bpy.context.collection)
    assert "limbeck.show_colors" in draw(SimpleNamespace(shading=SOLID)).texts("operator")
    vertex = SimpleNamespace(type="SOLID", color_type="VERTEX")
    assert "limbeck.show_colors" not in draw(SimpleNamespace(shading=vertex)).texts("operator")
    addon.session.forget()
    assert "limbeck.show_colors" not in draw(SimpleNamespace(shading=SOLID)).texts("operator")
    bpy.context.view_layer.objects.active = live
    assert "limbeck.show_colors" in draw(SimpleNamespace(shading=SOLID)).texts("operator"), "an asset is looked at"


def test_problem_shows_with_its_remedy(addon: Any) -> None:
    addon.session.problem = addon.module("job").Problem("The job failed", "Use another prompt")
    assert {"The job failed", "Use another prompt"} <= set(draw().texts("label"))


def test_missing_wheel_is_a_message_not_a_failing_register(addon: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    addon_utils.disable(MODULE)
    for name in [name for name in sys.modules if name.startswith((MODULE, "limbeck_protocol", "zmq"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "zmq", None)
    addon_utils.enable(MODULE)
    sys.modules[f"{MODULE}.timer"].session().pump()
    layout = draw()
    assert "The extension is not complete" in layout.texts("label")
    assert any("zmq" in text for text in layout.texts("label"))
    bpy.context.scene.limbeck.prompt = "a bird"
    with pytest.raises(RuntimeError, match="zmq"):
        bpy.ops.limbeck.generate()
    addon_utils.disable(MODULE)


def test_remote_server_waits_for_online_access(addon: Any, own_folder: None, tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    file.write_text('{"schema": 1, "address": "tcp://192.0.2.1:5555"}')
    file.chmod(0o600)
    addon.module("preferences").addon_preferences(bpy.context).connection_file = str(file)
    addon.session.pump()
    assert "Blender's online access is off" in draw().texts("label")
    assert addon.session.link.client is None


def test_colors_are_shown_only_on_request(addon: Any) -> None:
    area = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D")
    assert area.spaces.active.shading.color_type == "MATERIAL"
    with bpy.context.temp_override(area=area):
        bpy.ops.limbeck.show_colors()
    assert area.spaces.active.shading.color_type == "VERTEX"


def test_install_command_is_copied(addon: Any) -> None:
    assert bpy.ops.limbeck.copy_install_command() == {"FINISHED"}
    manager = SimpleNamespace(clipboard="")  # Blender's own stays empty without a window
    operator = SimpleNamespace(report=lambda *_: None)
    bpy.types.LIMBECK_OT_copy_install_command.execute(operator, SimpleNamespace(window_manager=manager))
    assert manager.clipboard == "python -m pip install ."


def test_server_that_cannot_start_says_why(addon: Any, own_folder: None, tmp_path: Path) -> None:
    command = tmp_path / "limbeck"
    command.write_text("#!/bin/sh\nexit 7\n")
    command.chmod(0o755)
    addon.module("preferences").addon_preferences(bpy.context).server_command = str(command)
    addon.session.pump()
    bpy.ops.limbeck.start_server()
    addon.pump_until(lambda: not addon.session.link.process.is_running)
    assert "status 7" in " ".join(draw().texts("label"))


def test_no_python_thread_is_started(addon: Any, shared_server: None) -> None:
    import threading

    addon.pump_until(lambda: addon.session.link.is_ready)
    assert threading.active_count() == 1


def test_bug_in_a_tick_is_shown_and_the_next_tick_comes(addon: Any, monkeypatch: Any, capfd: Any) -> None:
    monkeypatch.setattr(addon.session, "pump", lambda: {}["missing"])
    assert addon.module("timer")._tick() > 0
    assert addon.session.problem.message == "Limbeck has a bug: KeyError"
    assert "KeyError: 'missing'" in capfd.readouterr().err
