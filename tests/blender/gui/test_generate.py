# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The main line, by hand: install the zip, click on Generate, watch the mesh form, have the asset, undo it."""

import pytest

from blender.gui.desk import Blender

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
PROMPT = "a blue bird"


def test_click_on_generate_forms_a_mesh_and_leaves_one_undo_step(blender: Blender) -> None:
    ask(blender, steps=60)
    blender.desk.picture("blender-ready")
    blender.press("limbeck.generate")
    forming = blender.watch(lambda state: state["shapes"] >= 3 and is_half_done(state))
    assert blender.call("screen.count_threads_and_modal_operators") == [0, 0]
    assert forming["live"] == [PROMPT]
    blender.desk.picture("blender-forming")
    done = blender.watch(lambda state: state["job"] is None)
    assert (done["problem"], done["live"], done["assets"]) == (None, [], [PROMPT])
    blender.desk.picture("blender-done")
    for keys, assets in (("ctrl+z", []), ("ctrl+shift+z", [PROMPT])):
        blender.desk.key(keys)
        blender.watch(lambda state, assets=assets: state["assets"] == assets)
    blender.quit()


def test_undo_and_redo_while_streaming_do_not_lose_the_mesh(blender: Blender) -> None:
    ask(blender, steps=120)
    blender.call("screen.call_operator", name="ed.undo_push", message="Something that the artist did")
    blender.press("limbeck.generate")
    for keys in ("ctrl+z", "ctrl+shift+z", "ctrl+z", "ctrl+z"):
        step = blender.watch(lambda state: state["live"] and state["job"]["stage"] == "optimising")["job"]["step"]
        blender.desk.key(keys)
        blender.watch(lambda state, step=step: state["job"] is None or state["job"]["step"] > step)
    done = blender.watch(lambda state: state["job"] is None)
    assert (done["problem"], done["live"], done["assets"]) == (None, [], [PROMPT])
    blender.quit()


def ask(blender: Blender, *, steps: int, prompt: str = PROMPT) -> None:
    """Fill in what to make."""
    blender.call("screen.set_value", path="scene.limbeck.prompt", value=prompt)
    blender.call("screen.set_value", path="scene.limbeck.steps", value=steps)


def is_half_done(state: dict) -> bool:
    job = state["job"]
    return job is not None and job["stage"] == "optimising" and 2 * job["step"] >= job["steps"]
