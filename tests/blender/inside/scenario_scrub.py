# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The slider over a job's steps, and forks from one of them."""

from typing import Any

import bpy
import numpy as np
import pytest

from blender.inside.conftest import assets, wait_for_live
from blender.inside.recording_layout import DrawnPanel
from blender.synthetic_engine import bird


def start(addon: Any, steps: int = 80) -> Any:
    """Start a job and wait until its first eighth can be looked at; return the slider's owner."""
    addon.request.steps = steps
    addon.generate("a bird")
    wait_for_live(addon)
    scrub = addon.session.scrub
    addon.pump_until(lambda: len(scrub.steps) >= 1)
    return scrub


def end(addon: Any) -> None:
    for job in addon.session.jobs:
        addon.session.select(job)
        addon.session.cancel()
    addon.pump_until(lambda: not any(job.goes_on for job in addon.session.jobs))


def shown(addon: Any) -> np.ndarray:
    live = addon.live()
    found = np.empty(len(live.data.vertices) * 3, np.float32)
    live.data.attributes["position"].data.foreach_get("vector", found)
    return found.reshape(-1, 3)


def standing(vertices: np.ndarray) -> np.ndarray:
    """Return vertices whose lowest is at the height of the object's origin."""
    return vertices - np.array([0, 0, vertices[:, 2].min()], np.float32)


def test_slider_shows_the_mesh_of_an_earlier_step_and_holds_the_newest_back(ready: Any) -> None:
    scrub = start(ready)
    first = scrub.steps[0]
    bpy.context.window_manager.limbeck_step = 0.0
    assert scrub.chosen == first
    ready.pump_until(lambda: ready.session.job.held_step == first)
    ready.pump_until(lambda: ready.session._selected._mesh is None)
    expected = standing(bird(6 + first % 4, first / 80)[0])
    np.testing.assert_array_equal(shown(ready), expected)
    step = ready.session.job.step
    ready.pump_until(lambda: ready.session.job.step > step + 4)
    np.testing.assert_array_equal(shown(ready), expected)
    assert bpy.ops.limbeck.back_to_live() == {"FINISHED"}
    ready.pump_until(lambda: ready.session.job.held_step is None)
    ready.pump_until(lambda: len(shown(ready)) != len(expected) or not np.array_equal(shown(ready), expected))
    with pytest.raises(RuntimeError, match="shown already"):
        bpy.ops.limbeck.back_to_live()
    end(ready)


def test_arrows_go_from_step_to_step(ready: Any) -> None:
    scrub = start(ready, steps=40)
    ready.pump_until(lambda: len(scrub.steps) >= 3)
    steps = scrub.steps
    bpy.ops.limbeck.step_checkpoint(places=-1)
    assert scrub.chosen == steps[-1], "the last kept step comes before the live mesh"
    bpy.ops.limbeck.step_checkpoint(places=-1)
    assert scrub.chosen == steps[-2]
    bpy.ops.limbeck.step_checkpoint(places=1)
    assert scrub.chosen == steps[-1]
    end(ready)


def test_slider_stands_where_the_chosen_step_is(ready: Any) -> None:
    scrub = start(ready, steps=40)
    ready.pump_until(lambda: len(scrub.steps) >= 3)
    manager, steps = bpy.context.window_manager, scrub.steps
    assert manager.limbeck_step == 100.0, "live"
    manager.limbeck_step = 100.0 * steps[1] / steps[-1] + 0.5
    assert scrub.chosen == steps[1]
    assert manager.limbeck_step == pytest.approx(100.0 * steps[1] / scrub.steps[-1], abs=0.01)
    end(ready)


def test_fork_from_a_step_makes_a_new_job_beside_the_old_one(ready: Any) -> None:
    scrub = start(ready)
    bpy.context.window_manager.limbeck_step = 0.0
    ready.pump_until(lambda: not scrub.is_loading)
    parent, step = ready.session.selected, scrub.chosen
    assert bpy.ops.limbeck.fork(prompt="a red bird", seed=5, steps=step + 4) == {"FINISHED"}
    fork = ready.session.selected
    assert fork.key != parent.key
    assert (fork.prompt, fork.seed) == ("a red bird", 5)
    assert fork.placement.matrix[0][3] == pytest.approx(2.2)
    ready.session.select(parent)
    ready.session.cancel()
    ready.session.select(fork.key)
    ready.pump_until(lambda: ready.session.selected.phase == "done", timeout_s=40)
    assert ready.session.selected.steps == step + 4
    (asset,) = assets()
    assert asset["prompt"] == "a red bird"
    assert asset.location.x == pytest.approx(2.2)


def test_step_of_a_finished_job_can_be_looked_at_and_put_away(ready: Any) -> None:
    ready.request.steps = 8
    ready.generate("a bird")
    ready.pump_until(lambda: ready.session.selected.phase == "done")
    scrub = ready.session.scrub
    ready.pump_until(lambda: len(scrub.steps) >= 2)
    bpy.context.window_manager.limbeck_step = 0.0
    ready.pump_until(lambda: ready.module("live_mesh").find(ready.session.selected.id) is not None)
    assert len(assets()) == 1
    bpy.ops.limbeck.back_to_live()
    ready.pump_until(lambda: ready.module("live_mesh").find(ready.session.selected.id) is None)
    assert len(bpy.data.objects) == 1


def test_choosing_another_job_lets_the_live_mesh_go_on(ready: Any) -> None:
    scrub = start(ready)
    first = ready.session.selected.key
    bpy.context.window_manager.limbeck_step = 0.0
    ready.pump_until(lambda: ready.session.job.held_step is not None)
    ready.generate("another bird")
    ready.session.pump()
    assert scrub.chosen is None
    assert next(job for job in ready.session.jobs if job.key == first).held_step is None
    end(ready)


def test_bad_override_of_a_fork_is_reported_and_sends_nothing(ready: Any) -> None:
    start(ready)
    with pytest.raises(RuntimeError, match="KEY=VALUE"):
        bpy.ops.limbeck.fork(overrides="noise")
    assert len(ready.session.jobs) == 1
    end(ready)


def test_panel_offers_the_slider_where_there_are_steps(ready: Any) -> None:
    scrub = start(ready)
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_jobs.draw(panel, bpy.context)
    assert "limbeck_step" in panel.layout.texts("prop")
    assert f"Step {ready.session.selected.step} of 80" in panel.layout.texts("label"), "that of the live mesh"
    scrub.choose(scrub.steps[0])
    bpy.types.LIMBECK_PT_jobs.draw(panel, bpy.context)
    assert f"Step {scrub.steps[0]} of 80, loading" in panel.layout.texts("label")
    assert {"limbeck.step_checkpoint", "limbeck.back_to_live", "limbeck.fork"} <= set(panel.layout.texts("operator"))
    end(ready)
