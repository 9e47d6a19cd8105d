# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs outlive what shows them: a server killed in mid-job, a Blender that closes, a second Blender beside it."""

from collections.abc import Callable

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import assert_one_asset, generate, is_forming, is_over

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


def test_job_goes_on_after_its_server_was_killed_and_started_again(blender: Blender, server: Server) -> None:
    generate(blender, steps=100)
    server.kill()
    blender.watch(lambda state: state["status"] == "Reconnecting")
    blender.picture("blender-reconnecting", VIEWPORT)
    server.start()
    blender.watch(is_forming)
    assert_one_asset(blender.watch(is_over))
    blender.quit()


def test_closed_blender_finds_its_job_in_the_saved_file(
    blender: Blender, start_blender: Callable[..., Blender]
) -> None:
    file = str(blender.desk.folder / "bird.blend")
    job = generate(blender, steps=160)
    blender.call("screen.call_operator", name="wm.save_as_mainfile", filepath=file)
    blender.quit()
    again = start_blender(file, home=blender.home)
    again.call("screen.open_sidebar")
    assert again.watch(is_forming)["job"]["id"] == job
    assert_one_asset(again.watch(is_over))
    again.quit()


def test_two_blenders_follow_one_job(blender: Blender, start_blender: Callable[..., Blender]) -> None:
    file = str(blender.desk.folder / "bird.blend")
    job = generate(blender, steps=200)
    blender.call("screen.call_operator", name="wm.save_as_mainfile", filepath=file)
    second = start_blender(file)
    assert second.watch(is_forming)["job"]["id"] == job
    assert blender.call("job.state")["job"]["id"] == job, "the first Blender goes on following"
    for each in (blender, second):
        assert_one_asset(each.watch(is_over))
        each.quit()


def test_new_blender_attaches_to_a_job_by_a_click(blender: Blender, start_blender: Callable[..., Blender]) -> None:
    """Nothing was saved: the list of the server's other jobs has it."""
    job = generate(blender, steps=2000)
    blender.quit()
    again = start_blender()
    again.call("screen.empty_scene")
    again.call("screen.open_panels", names=["LIMBECK_PT_jobs", "LIMBECK_PT_other_jobs"])
    again.call("screen.open_sidebar")
    again.until("job.is_ready")
    again.press("limbeck.attach_job", "right")
    assert again.watch(is_forming)["job"]["id"] == job
    again.press("limbeck.finish", "right")
    assert_one_asset(again.watch(is_over))
    again.quit()
