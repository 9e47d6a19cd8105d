# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Several jobs at once: the list, what each button does to which job, and why it does not."""

import threading
from typing import Any

import bpy
import pytest

from blender.inside.conftest import assets
from blender.inside.recording_layout import DrawnPanel


def start(addon: Any, *prompts: str, steps: int = 400) -> list[str]:
    """Start jobs and wait until each has an id; return their keys."""
    addon.request.steps = steps
    for prompt in prompts:
        addon.generate(prompt)
    addon.pump_until(lambda: all(job.id for job in addon.session.jobs))
    return [next(job.key for job in addon.session.jobs if job.prompt == prompt) for prompt in prompts]


def job_of(addon: Any, key: str) -> Any:
    return next(job for job in addon.session.jobs if job.key == key)


def live_of(addon: Any, key: str) -> Any:
    return addon.module("live_mesh").find(job_of(addon, key).id)


def end_all(addon: Any) -> None:
    """Cancel what goes on, so that the shared server has no work of this test's left."""
    for job in addon.session.jobs:
        addon.session.select(job)
        addon.session.cancel()
    addon.pump_until(lambda: not any(job.goes_on for job in addon.session.jobs))


def drawn() -> Any:
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_jobs.draw(panel, bpy.context)
    return panel.layout


def test_a_job_sent_while_another_runs_waits_in_line_and_both_become_assets(ready: Any) -> None:
    first, second = start(ready, "first", "second", steps=10)
    ready.pump_until(lambda: job_of(ready, second).position == 1)
    assert job_of(ready, second).progress_text == "Queued, number 1 in line"
    assert ready.session.selected.key == second, "the newest is selected"
    assert [job.prompt for job in ready.session.jobs] == ["second", "first"], "newest first"
    ready.pump_until(lambda: live_of(ready, first) is not None)
    ready.pump_until(lambda: {job.phase for job in ready.session.jobs} == {"done"})
    assert {thing["prompt"] for thing in assets()} == {"first", "second"}
    assert len(bpy.data.objects) == 2
    assert ready.session.problem is None


def test_cancel_touches_no_other_job(ready: Any) -> None:
    first, second = start(ready, "first", "second")
    ready.pump_until(lambda: live_of(ready, first) is not None)
    bpy.ops.limbeck.select_job(key=first)
    bpy.ops.limbeck.cancel()
    ready.pump_until(lambda: job_of(ready, first).phase == "cancelled")
    assert live_of(ready, first) is None
    ready.pump_until(lambda: live_of(ready, second) is not None)
    assert job_of(ready, second).phase == "running"
    end_all(ready)


def test_pause_gives_the_turn_to_the_next_job_and_resume_goes_on(ready: Any) -> None:
    first, second = start(ready, "first", "second", steps=20)
    ready.pump_until(lambda: job_of(ready, first).step > 2)
    bpy.ops.limbeck.select_job(key=first)
    assert bpy.ops.limbeck.pause() == {"FINISHED"}
    ready.pump_until(lambda: job_of(ready, first).phase == "paused")
    step = job_of(ready, first).step
    ready.pump_until(lambda: job_of(ready, second).phase == "running")
    assert live_of(ready, first) is not None, "the mesh of a paused job stays"
    with pytest.raises(RuntimeError, match="Only a job that waits or runs can be paused"):
        bpy.ops.limbeck.pause()
    assert bpy.ops.limbeck.resume() == {"FINISHED"}
    ready.pump_until(lambda: {job.phase for job in ready.session.jobs} == {"done"}, timeout_s=40)
    assert step > 0
    assert len(assets()) == 2


def test_job_that_waits_can_be_the_next_in_line(ready: Any) -> None:
    first, second, third = start(ready, "first", "second", "third")
    ready.pump_until(lambda: job_of(ready, third).position == 2)
    assert "limbeck.move_job_first" in drawn().texts("operator")
    assert bpy.ops.limbeck.move_job_first() == {"FINISHED"}
    ready.pump_until(lambda: job_of(ready, third).position == 1 and job_of(ready, second).position == 2)
    bpy.ops.limbeck.select_job(key=first)
    ready.pump_until(lambda: job_of(ready, first).phase == "running")
    with pytest.raises(RuntimeError, match="waits in line"):
        bpy.ops.limbeck.move_job_first()
    end_all(ready)


def test_stop_and_keep_makes_the_asset_of_what_there_is(ready: Any) -> None:
    (key,) = start(ready, "a bird")
    ready.pump_until(lambda: live_of(ready, key) is not None)
    assert bpy.ops.limbeck.finish() == {"FINISHED"}
    ready.pump_until(lambda: job_of(ready, key).phase == "done")
    assert [thing["prompt"] for thing in assets()] == ["a bird"]
    assert ready.session.problem is None


def test_retry_of_a_failed_job_makes_a_new_one(ready: Any) -> None:
    (key,) = start(ready, "fail", steps=4)
    ready.pump_until(lambda: job_of(ready, key).phase == "failed")
    assert bpy.ops.limbeck.retry() == {"FINISHED"}
    assert len(ready.session.jobs) == 2
    retried = ready.session.selected.key
    assert retried != key
    ready.pump_until(lambda: job_of(ready, retried).phase == "failed")
    assert job_of(ready, retried).id not in ("", job_of(ready, key).id)


def test_hidden_live_mesh_goes_and_comes_back(ready: Any) -> None:
    (key,) = start(ready, "a bird")
    ready.pump_until(lambda: live_of(ready, key) is not None)
    bpy.ops.limbeck.toggle_live_mesh()
    ready.pump_until(lambda: live_of(ready, key) is None)
    step = job_of(ready, key).step
    ready.pump_until(lambda: job_of(ready, key).step > step + 3)
    assert live_of(ready, key) is None
    bpy.ops.limbeck.toggle_live_mesh()
    ready.pump_until(lambda: live_of(ready, key) is not None)
    end_all(ready)


def test_ended_job_leaves_the_list_and_its_mesh_stays(ready: Any) -> None:
    (key,) = start(ready, "fail", steps=4)
    with pytest.raises(RuntimeError, match="cancel it first"):
        bpy.ops.limbeck.dismiss_job()
    ready.pump_until(lambda: job_of(ready, key).phase == "failed")
    assert bpy.ops.limbeck.dismiss_job() == {"FINISHED"}
    assert ready.session.jobs == ()
    assert ready.session.selected is None
    assert len(bpy.data.objects) == 1


def test_asset_can_be_had_again(ready: Any) -> None:
    (key,) = start(ready, "a bird", steps=3)
    with pytest.raises(RuntimeError, match="not made yet"):
        bpy.ops.limbeck.fetch_asset()
    ready.pump_until(lambda: job_of(ready, key).phase == "done")
    bpy.data.objects.remove(assets()[0])
    bpy.ops.limbeck.fetch_asset()
    ready.pump_until(lambda: job_of(ready, key).phase == "done")
    assert len(assets()) == 1


def test_buttons_say_why_they_are_off(addon: Any) -> None:
    for name in ("cancel", "finish", "pause", "resume", "retry", "fetch_asset", "toggle_live_mesh", "dismiss_job"):
        with pytest.raises(RuntimeError, match="Select a job first"):
            getattr(bpy.ops.limbeck, name)()


def test_panel_shows_the_list_and_the_selected_jobs_figures(ready: Any) -> None:
    first, _ = start(ready, "first", "second")
    ready.pump_until(lambda: job_of(ready, first).preview is not None and job_of(ready, first).eta_s is not None)
    bpy.ops.limbeck.select_job(key=first)
    layout = drawn()
    assert layout.texts("operator").count("limbeck.select_job") == 2
    assert {"limbeck.cancel", "limbeck.finish", "limbeck.pause"} <= set(layout.texts("operator"))
    figures = " ".join(layout.texts("label"))
    assert "triangles" in figures
    assert " Hz" in figures
    assert " MB" in figures
    assert " left" in figures
    end_all(ready)
    assert {"limbeck.retry", "limbeck.dismiss_job"} <= set(drawn().texts("operator"))


def test_several_jobs_start_no_thread_and_no_modal_operator(ready: Any) -> None:
    start(ready, "first", "second")
    ready.pump_until(lambda: any(live_of(ready, job.key) for job in ready.session.jobs))
    assert threading.active_count() == 1
    assert not any(window.modal_operators for window in bpy.context.window_manager.windows)
    end_all(ready)
