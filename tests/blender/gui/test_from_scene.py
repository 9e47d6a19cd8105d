# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs that begin with the scene: the viewport as a reference, cameras as views, a mesh that gets a texture."""

import os
from collections.abc import Callable, Iterator

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import PROMPT, ask, assert_one_asset, generate, is_over
from blender.synthetic_engine import SERVE

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
VIEWS = 8
REAL_ENGINE_S = 200.0


@pytest.fixture
def open_blender(start_blender: Callable[..., Blender]) -> Callable[..., Blender]:
    """Return a function that starts a Blender with the tab and some of its panels open, in an empty scene."""

    def start(*panels: str) -> Blender:
        blender = start_blender()
        blender.call("screen.empty_scene")
        blender.call("screen.open_panels", names=list(panels))
        blender.call("screen.open_sidebar")
        blender.until("job.is_ready")
        return blender

    return start


def test_viewport_goes_with_the_job_as_a_posed_reference(server: Server, open_blender: Callable[..., Blender]) -> None:
    blender = open_blender("LIMBECK_PT_references")
    blender.call("references.show_a_cube", scale=[0.4, 0.6, 0.8], location=[0.0, 0.0, 0.0])
    assert blender.call("screen.call_operator", name="limbeck.add_reference_viewport") == ["FINISHED"]
    blender.call("screen.pause", seconds=2.0)
    blender.desk.picture("blender-reference", VIEWPORT, is_for_docs=True)
    blender.call("screen.remove_objects")
    generate(blender, steps=30)
    sent = blender.call("job.sent")
    assert [reference["is_posed"] for reference in sent["references"]] == [True]
    assert_one_asset(blender.watch(is_over))
    blender.quit()


def test_cameras_of_the_rig_become_the_jobs_views(server: Server, open_blender: Callable[..., Blender]) -> None:
    blender = open_blender("LIMBECK_PT_rig")
    blender.call("references.show_rig", source="PRESET", preset="TURNTABLE", count=VIEWS, rings=1, distance=2.0)
    blender.call("references.show_rig", is_shown=True)
    blender.call("screen.set_value", path="scene.limbeck.rig.jitter", value=0.0)
    ask(blender, steps=30)
    blender.call("screen.look_from", distance=9.0)
    blender.desk.picture("blender-rig", VIEWPORT, is_for_docs=True)
    blender.press("limbeck.generate")
    blender.watch(lambda state: state["live"])
    assert blender.call("job.sent")["cameras"] == VIEWS
    assert_one_asset(blender.watch(is_over))
    blender.quit()


@pytest.fixture
def real_server(environment: dict[str, str]) -> Iterator[Server]:
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    running = Server(environment | threads, SERVE[: SERVE.index("--engine")])
    running.start()
    yield running
    running.stop()


def test_selected_mesh_is_textured_by_the_real_engine(
    real_server: Server, open_blender: Callable[..., Blender]
) -> None:
    blender = open_blender("LIMBECK_PT_source")
    blender.call("screen.call_operator", name="mesh.primitive_monkey_add")
    before = blender.call("job.vertices_of_active")
    blender.call("screen.set_value", path="scene.limbeck.source.start", value="TEXTURE")
    ask(blender, steps=20)
    blender.press("limbeck.generate")
    blender.watch(lambda state: state["job"] is not None)
    done = blender.watch(is_over, timeout_s=REAL_ENGINE_S)
    assert done["problem"] is None
    assert blender.call("job.vertices_of_active") == before, "bit for bit"
    blender.call("screen.show_material")
    blender.desk.picture("blender-texture", VIEWPORT, is_for_docs=True)
    assert blender.call("job.prompt_of_active") == PROMPT
    blender.quit()
