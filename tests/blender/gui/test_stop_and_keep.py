# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the artist does to a job that forms: stop and keep, pause and resume, all by clicks."""

import pytest

from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import assert_one_asset, generate, is_forming, is_over

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


def test_stop_and_keep_makes_an_asset_of_the_mesh_as_it_is(blender: Blender) -> None:
    generate(blender, steps=2000)
    blender.press("limbeck.finish", "right")
    blender.picture("blender-stop-and-keep", VIEWPORT)
    assert_one_asset(blender.watch(is_over))
    blender.quit()


def test_paused_job_waits_and_goes_on(blender: Blender) -> None:
    generate(blender, steps=2000)
    blender.press("limbeck.pause", "left")
    blender.watch(lambda state: state["job"]["phase"] == "paused")
    blender.press("limbeck.resume", "left")
    blender.watch(is_forming)
    blender.press("limbeck.finish", "right")
    assert_one_asset(blender.watch(is_over))
    blender.quit()
