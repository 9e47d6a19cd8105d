# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Jobs outlive Blender: they are found again in files, in the server's list, after the extension was off."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy  # isort: split

import addon_utils  # bpy puts it on the path
import pytest

from blender.inside.conftest import MODULE, Addon, assets, wait_for_live
from blender.inside.recording_layout import DrawnPanel
from limbeck_protocol import blocking
from limbeck_protocol.client import Client
from limbeck_protocol.events import JobChanged, Submitted
from limbeck_protocol.job import JobSpec


@pytest.fixture
def other(shared_server: None) -> Iterator[Client]:
    """Yield another client of the same server, such as a second Blender or a terminal."""
    client = blocking.connect("test", "other")
    yield client
    client.close()


def submit(other: Client, prompt: str, steps: int) -> str:
    other.submit(JobSpec(prompt, steps=steps, seed=11))
    return blocking.expect(other, Submitted).job


def wait_for_end(other: Client, job: str) -> None:
    other.watch(job)
    blocking.wait_for(other, lambda event: isinstance(event, JobChanged) and event.state == "succeeded")


def end(addon: Any) -> None:
    for job in addon.session.jobs:
        addon.session.select(job)
        addon.session.cancel()
    addon.pump_until(lambda: not any(job.goes_on for job in addon.session.jobs))


def listed(addon: Any, job: str) -> Any:
    return next((line for line in addon.session.other_jobs if line.job == job), None)


def test_running_job_of_another_client_is_listed_attached_and_imported(ready: Any, other: Client) -> None:
    job = submit(other, "their bird", 24)
    ready.pump_until(lambda: listed(ready, job) is not None)
    assert not bpy.data.objects, "nothing is followed that nobody asked for"
    panel = DrawnPanel()
    bpy.types.LIMBECK_PT_other_jobs.draw(panel, bpy.context)
    assert "limbeck.attach_job" in panel.layout.texts("operator")
    assert "their bird" in panel.layout.texts("label")
    bpy.context.scene.cursor.location = (1, 2, 0)
    assert bpy.ops.limbeck.attach_job(job=job) == {"FINISHED"}
    assert listed(ready, job) is None
    wait_for_live(ready)
    ready.pump_until(lambda: ready.session.job is None)
    (asset,) = assets()
    assert (asset["prompt"], asset["seed"]) == ("their bird", 11)
    assert tuple(asset.location)[:2] == pytest.approx((1, 2), abs=0.2)
    assert ready.session.problem is None


def test_finished_job_of_another_client_is_imported(ready: Any, other: Client) -> None:
    job = submit(other, "their bird", 3)
    wait_for_end(other, job)
    ready.pump_until(lambda: listed(ready, job) is not None and listed(ready, job).state == "succeeded")
    bpy.ops.limbeck.attach_job(job=job)
    ready.pump_until(lambda: ready.session.selected.phase == "done")
    assert [thing["prompt"] for thing in assets()] == ["their bird"]


def test_job_that_finished_while_blender_was_closed_is_imported_when_its_file_opens(
    ready: Any, other: Client, tmp_path: Path
) -> None:
    ready.request.steps = 14
    ready.generate("a bird")
    live = wait_for_live(ready)
    live.location = (0, 4, 0)
    job, file = ready.session.job.id, str(tmp_path / "bird.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_empty=True)
    addon_utils.disable(MODULE)
    wait_for_end(other, job)
    addon_utils.enable(MODULE)
    again = Addon()
    bpy.ops.wm.open_mainfile(filepath=file)
    again.pump_until(lambda: again.session.selected is not None and again.session.selected.phase == "done")
    (asset,) = bpy.data.objects
    assert asset["prompt"] == "a bird"
    assert asset.location.y == pytest.approx(4, abs=0.2)


def test_every_job_of_a_file_is_followed_again(ready: Any, tmp_path: Path) -> None:
    ready.request.steps = 20
    for prompt in ("first", "second"):
        ready.generate(prompt)
        wait_for_live(ready)
        if prompt == "first":
            bpy.ops.limbeck.pause()
            ready.pump_until(lambda: ready.session.job.phase == "paused")
    file = str(tmp_path / "birds.blend")
    bpy.ops.wm.save_as_mainfile(filepath=file)
    bpy.ops.wm.read_homefile(use_empty=True)
    assert ready.session.jobs == ()
    bpy.ops.wm.open_mainfile(filepath=file)
    assert {job.prompt for job in ready.session.jobs} == {"first", "second"}
    first = next(job for job in ready.session.jobs if job.prompt == "first")
    ready.session.select(first)
    ready.pump_until(lambda: ready.session.selected.phase == "paused")
    bpy.ops.limbeck.resume()
    ready.pump_until(lambda: {job.phase for job in ready.session.jobs} == {"done"}, timeout_s=40)
    assert {thing["prompt"] for thing in assets()} == {"first", "second"}
    assert len(bpy.data.objects) == 2


def test_read_only_file_is_followed_too(ready: Any, tmp_path: Path) -> None:
    ready.request.steps = 12
    ready.generate("a bird")
    wait_for_live(ready)
    file = tmp_path / "bird.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(file))
    file.chmod(stat.S_IRUSR)
    content = file.read_bytes()
    bpy.ops.wm.open_mainfile(filepath=str(file))
    ready.pump_until(lambda: ready.session.selected.phase == "done")
    assert len(assets()) == 1
    assert file.read_bytes() == content


def test_extension_that_was_switched_off_and_on_follows_the_files_job(ready: Any) -> None:
    ready.request.steps = 30
    ready.generate("a bird")
    wait_for_live(ready)
    job = ready.session.job.id
    addon_utils.disable(MODULE)
    addon_utils.enable(MODULE)
    again = Addon()
    again.session.pump()
    assert [followed.id for followed in again.session.jobs] == [job]
    again.pump_until(lambda: again.session.link.is_ready and again.session.job.phase == "running")
    end(again)


def test_file_that_cannot_be_opened_leaves_the_jobs_of_this_one(ready: Any, tmp_path: Path) -> None:
    ready.request.steps = 60
    ready.generate("a bird")
    wait_for_live(ready)
    job = ready.session.job.id
    broken = tmp_path / "broken.blend"
    broken.write_bytes(b"BLENDER-v500RENDH" + b"\0" * 64)
    with pytest.raises(RuntimeError):
        bpy.ops.wm.open_mainfile(filepath=str(broken))
    ready.session.pump()
    assert [followed.id for followed in ready.session.jobs] == [job]
    end(ready)


def test_jobs_of_the_last_file_are_listed_as_others(ready: Any) -> None:
    ready.request.steps = 60
    ready.generate("a bird")
    wait_for_live(ready)
    job = ready.session.job.id
    bpy.ops.wm.read_homefile(use_empty=True)
    ready.pump_until(lambda: listed(ready, job) is not None)
    assert bpy.ops.limbeck.attach_job(job=job) == {"FINISHED"}
    wait_for_live(ready)
    end(ready)


def test_job_that_the_server_does_not_have_keeps_its_mesh_and_its_name(ready: Any) -> None:
    """Another server may have it: only taking it off the list makes its mesh an ordinary object."""
    place = ready.module("placement").at((0.0, 0.0, 0.0))
    job = ready.module("job").FollowedJob("a bird", 0, "limbeck", place, id="01J00000000000000000000000")
    live = ready.module("live_mesh").create(job, bpy.context.collection)
    ready.session.adopt()
    ready.pump_until(lambda: ready.session.problem is not None)
    assert ready.session.selected.phase == "failed"
    assert ready.session.problem.remedy
    assert live["limbeck_job"] == job.id
    bpy.ops.limbeck.dismiss_job()
    assert "limbeck_job" not in live
