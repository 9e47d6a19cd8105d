# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs that begin with the scene: the viewport as a reference, cameras as views."""

from collections.abc import Callable

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import ask, assert_one_asset, generate, is_over

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
VIEWS = 8


def test_viewport_goes_with_the_job_as_a_posed_reference(server: Server, open_blender: Callable[..., Blender]) -> None:
    blender = open_blender("LIMBECK_PT_references")
    ask(blender, steps=30, prompt="a red box")
    blender.call("references.show_a_cube", scale=[0.4, 0.6, 0.8], location=[0.0, 0.0, 0.0])
    assert blender.call("screen.call_operator", name="limbeck.add_reference_viewport") == ["FINISHED"]
    blender.picture("blender-reference", VIEWPORT, is_for_docs=True)
    blender.call("screen.remove_objects")
    generate(blender, steps=30, prompt="a red box")
    sent = blender.call("job.sent")
    assert [reference["is_posed"] for reference in sent["references"]] == [True]
    assert_one_asset(blender.watch(is_over), "a red box")
    blender.quit()


def test_cameras_of_the_rig_become_the_jobs_views(server: Server, open_blender: Callable[..., Blender]) -> None:
    blender = open_blender("LIMBECK_PT_rig")
    blender.call("references.show_rig", source="PRESET", preset="TURNTABLE", count=VIEWS, rings=1, distance=2.0)
    blender.call("references.show_rig", is_shown=True)
    blender.call("screen.set_value", path="scene.limbeck.rig.jitter", value=0.0)
    ask(blender, steps=30)
    blender.call("screen.look_from", distance=9.0)
    blender.picture("blender-rig", VIEWPORT, is_for_docs=True)
    blender.press("limbeck.generate")
    blender.watch(lambda state: state["live"])
    assert blender.call("job.sent")["cameras"] == VIEWS
    assert_one_asset(blender.watch(is_over))
    blender.quit()
