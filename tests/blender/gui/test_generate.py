# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The main line, by hand: install the zip, click on Generate, watch the mesh form, have the asset, undo it."""

import pytest

from blender.gui.desk import Blender
from blender.gui.steps import PROMPT, ask, assert_one_asset, is_forming, is_half_done, is_over

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


def test_click_on_generate_forms_a_mesh_and_leaves_one_undo_step(blender: Blender) -> None:
    ask(blender, steps=60)
    blender.picture("blender-ready")
    blender.press("limbeck.generate")
    forming = blender.watch(lambda state: state["shapes"] >= 3 and is_half_done(state))
    assert blender.call("screen.count_threads_and_modal_operators") == [0, 0]
    assert forming["live"] == [PROMPT]
    blender.picture("blender-forming")
    assert_one_asset(blender.watch(is_over))
    blender.picture("blender-done")
    for keys, assets in (("ctrl+z", []), ("ctrl+shift+z", [PROMPT])):
        blender.desk.key(keys)
        blender.watch(lambda state, assets=assets: state["assets"] == assets)
    blender.quit()


def test_undo_and_redo_while_streaming_do_not_lose_the_mesh(blender: Blender) -> None:
    ask(blender, steps=120)
    blender.call("screen.call_operator", name="ed.undo_push", message="Something that the artist did")
    blender.press("limbeck.generate")
    for keys in ("ctrl+z", "ctrl+shift+z", "ctrl+z", "ctrl+z"):
        step = blender.watch(is_forming)["job"]["step"]
        blender.desk.key(keys)
        blender.watch(lambda state, step=step: is_forming(state) and state["job"]["step"] > step)
    assert_one_asset(blender.watch(is_over))
    blender.quit()
