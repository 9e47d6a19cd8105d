# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The real engine behind a windowed Blender; most of the pictures of docs/blender.md are from here."""

import os
from collections.abc import Callable, Iterator

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import ask, assert_one_asset, is_half_done, is_over
from blender.synthetic_engine import SERVE

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
PROMPT = "a blue penguin"
STEPS = int(os.environ.get("LIMBECK_GUI_STEPS", "40"))
"""More of them make better pictures: 300 for the documentation."""
ENGINE_S = 60.0 + 4.0 * STEPS


@pytest.fixture
def real_server(environment: dict[str, str]) -> Iterator[Server]:
    threads = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    running = Server(environment | threads, SERVE[: SERVE.index("--engine")])
    running.start()
    yield running
    running.stop()


def test_penguin_forms_and_becomes_an_asset(real_server: Server, open_blender: Callable[..., Blender]) -> None:
    blender = open_blender("LIMBECK_PT_jobs")
    blender.call("screen.look_from", distance=3.2, height=0.8)  # the middle of what will stand on the cursor
    ask(blender, steps=STEPS, prompt=PROMPT)
    blender.picture("blender-ready", VIEWPORT, is_for_docs=True)
    blender.press("limbeck.generate")
    forming = blender.watch(lambda state: state["shapes"] >= 3 and is_half_done(state), timeout_s=ENGINE_S)
    assert forming["live"] == [PROMPT]
    blender.picture("blender-forming", VIEWPORT, is_for_docs=True)
    assert_one_asset(blender.watch(is_over, timeout_s=ENGINE_S), PROMPT)
    blender.picture("blender-done", VIEWPORT, is_for_docs=True)
    blender.quit()


def test_selected_mesh_is_textured_by_the_real_engine(
    real_server: Server, open_blender: Callable[..., Blender]
) -> None:
    blender = open_blender("LIMBECK_PT_source")
    blender.call("screen.call_operator", name="mesh.primitive_monkey_add")
    before = blender.call("job.vertices_of_active")
    blender.call("screen.set_value", path="scene.limbeck.source.start", value="TEXTURE")
    ask(blender, steps=STEPS, prompt=PROMPT)
    blender.press("limbeck.generate")
    blender.watch(lambda state: state["job"] is not None)
    done = blender.watch(is_over, timeout_s=ENGINE_S)
    assert done["problem"] is None
    assert blender.call("job.vertices_of_active") == before, "bit for bit"
    blender.call("screen.look_from", distance=5.0)
    blender.press("limbeck.show_colors")
    blender.picture("blender-texture", VIEWPORT, is_for_docs=True)
    assert blender.call("job.prompt_of_active") == PROMPT
    blender.quit()
