# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs inside a windowed Blender: opens the sidebar, waits for the click on Generate, reports each stage as a file.

A stage's file appears when the screen shows it; the next stage begins once the file is gone again, so that the script
outside has time for a screenshot.
"""

import faulthandler
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from mathutils import Euler

FOLDER = Path(os.environ["LIMBECK_GUI_FOLDER"])
PROMPT = os.environ.get("LIMBECK_GUI_PROMPT", "a blue bird")
MODULE = "bl_ext.user_default.limbeck"
TIMEOUT_S = float(os.environ.get("LIMBECK_GUI_TIMEOUT_S", "120"))
STEPS = int(os.environ.get("LIMBECK_GUI_STEPS", "60"))
FORMING_FRACTION = float(os.environ.get("LIMBECK_GUI_FORMING_FRACTION", "0.5"))


def stages() -> Iterator[bool]:
    """Yield once per tick; True where the screen has been drawn since the last change."""
    yield from open_sidebar()
    session = sys.modules[f"{MODULE}.timer"].session()
    live_mesh = sys.modules[f"{MODULE}.live_mesh"]
    yield from until(lambda: session.link.is_ready)
    yield from report("ready", panel_geometry())
    yield from until(lambda: session.job is not None)
    shapes = set()
    while session.job is not None:
        job = session.job
        live = live_mesh.find(job.id)
        if live is not None:
            shapes.add(len(live.data.vertices))
        if (
            job.stage == "optimising"
            and job.progress >= FORMING_FRACTION
            and len(shapes) >= 2
            and "forming" not in DONE
        ):
            assert_no_thread_and_no_modal_operator()
            yield from report("forming", {"step": job.step})
            run_in_viewport(bpy.ops.ed.undo)
            assert live_mesh.find(job.id) is None, "undo takes away what no undo step holds"
            yield from until(lambda: live_mesh.find(job.id) is not None)  # noqa: B023 - used before job changes
        yield True
    assert session.problem is None, session.problem
    asset = bpy.context.view_layer.objects.active
    assert asset["prompt"] == PROMPT, asset
    assert len(bpy.data.objects) == 1, list(bpy.data.objects)
    yield from report("done", {"shapes": len(shapes), "vertices": len(asset.data.vertices)})
    yield from check_undo()
    yield from report("undone", {})


def open_sidebar() -> Iterator[bool]:
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    space = viewport().spaces.active
    space.show_region_ui = True
    yield from pause(1.0)
    sidebar = next(region for region in viewport().regions if region.type == "UI")
    while True:
        try:
            sidebar.active_panel_category = "Limbeck"
            break
        except AttributeError:  # read-only until the region has been drawn once
            viewport().tag_redraw()
            yield from pause(0.3)
    bpy.context.scene.limbeck.prompt = PROMPT
    bpy.context.scene.limbeck.steps = STEPS
    space.shading.color_type = "VERTEX"
    space.region_3d.view_rotation = Euler((1.25, 0.0, 0.45)).to_quaternion()  # from the front, a little from its left
    space.region_3d.view_distance = 3.2
    for message in ("Start of the test", "Something that the artist did"):
        run_in_viewport(bpy.ops.ed.undo_push, message=message)
    yield from pause(1.0)


def assert_no_thread_and_no_modal_operator() -> None:
    """Threads crash Blender, and a resident modal operator turns off its auto-save."""
    assert threading.active_count() == 1, threading.enumerate()
    window = bpy.context.window_manager.windows[0]
    assert not list(window.modal_operators), list(window.modal_operators)


def check_undo() -> Iterator[bool]:
    """One undo takes the asset away, one redo brings it back: the import is one undo step."""
    for operator, expected in ((bpy.ops.ed.undo, 0), (bpy.ops.ed.redo, 1)):
        run_in_viewport(operator)
        yield from pause(0.5)
        count = sum("prompt" in thing and "limbeck_job" not in thing for thing in bpy.data.objects)
        assert count == expected, f"{count} assets after {operator}, expected {expected}"


def run_in_viewport(operator: Any, **arguments: Any) -> None:
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=viewport()):
        operator(**arguments)


def viewport() -> Any:
    areas = bpy.context.window_manager.windows[0].screen.areas
    return max((area for area in areas if area.type == "VIEW_3D"), key=lambda area: area.width)


def panel_geometry() -> dict[str, int]:
    sidebar = next(region for region in viewport().regions if region.type == "UI")
    return {"x": sidebar.x, "y": sidebar.y, "width": sidebar.width, "height": sidebar.height}


def until(is_so: Any) -> Iterator[bool]:
    while not is_so():
        yield True


def pause(seconds: float) -> Iterator[bool]:
    end = time.monotonic() + seconds
    viewport().tag_redraw()
    while time.monotonic() < end:
        yield True


def report(stage: str, facts: dict[str, Any]) -> Iterator[bool]:
    DONE.add(stage)
    yield from pause(0.5)
    file = FOLDER / f"{stage}.json"
    file.with_suffix(".part").write_text(json.dumps(facts))
    file.with_suffix(".part").rename(file)
    yield from until(lambda: not file.exists())


def tick() -> float:
    """Drive the stages; any failure ends Blender at once, because a timer would swallow it."""
    try:
        if time.monotonic() - START > TIMEOUT_S:
            faulthandler.dump_traceback()
            raise TimeoutError(f"after {sorted(DONE)}")
        next(STAGES)
    except StopIteration:
        bpy.context.preferences.use_preferences_save = False
        bpy.ops.wm.quit_blender()  # the way a user quits: the extension must not hang it
    except BaseException:  # noqa: BLE001 - whatever it is, the test outside must see it
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    return 0.1


START = time.monotonic()
DONE: set[str] = set()
STAGES = stages()
bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.viewport_aa = "OFF"
bpy.app.timers.register(tick, first_interval=0.5)
