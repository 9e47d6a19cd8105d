# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong elsewhere: a server that is silent for long, other clients, a full disk. Each has a way on."""

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy
import pytest

from blender.inside.conftest import assets, wait_for_live
from limbeck_protocol import blocking


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """Let the operating system refuse larger files, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_leaves_the_asset_on_the_server_until_there_is_room(ready: Any) -> None:
    ready.request.steps = 3
    ready.generate("a bird")
    live = wait_for_live(ready)
    with files_of_at_most(1000):
        ready.pump_until(lambda: ready.session.selected.phase == "undelivered")
    problem = ready.session.selected.problem
    assert problem.code == "E_DISK_FULL"
    assert problem.remedy
    assert live["limbeck_job"] == ready.session.selected.id, "saved so, the file gets its asset when opened"
    assert bpy.ops.limbeck.fetch_asset() == {"FINISHED"}
    ready.pump_until(lambda: ready.session.selected.phase == "done")
    assert len(assets()) == 1
    assert ready.session.selected.problem is None


def test_job_that_another_client_cancels_says_so_and_leaves_its_mesh(ready: Any) -> None:
    ready.request.steps = 400
    ready.generate("a bird")
    live = wait_for_live(ready)
    other = blocking.connect("test", "other")
    try:
        other.cancel(ready.session.job.id)
        ready.pump_until(lambda: (other.pump(), ready.session.job is None)[1])
    finally:
        other.close()
    assert ready.session.selected.phase == "cancelled"
    assert "elsewhere" in ready.session.problem.message
    assert ready.session.problem.remedy
    assert list(bpy.data.objects) == [live]
    assert "limbeck_job" not in live


def test_server_that_is_silent_for_long_is_followed_again(addon: Any, own_server: Callable[[], Any]) -> None:
    process = own_server()
    addon.pump_until(lambda: addon.session.link.is_ready)
    addon.request.steps = 20
    addon.generate("a bird")
    wait_for_live(addon)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        addon.pump_until(lambda: addon.session.link.status.text == "Reconnecting", timeout_s=20)
        assert addon.session.job is not None
        assert addon.live() is not None
        for name in ("pause", "finish"):
            with pytest.raises(RuntimeError, match="cannot be reached"):
                getattr(bpy.ops.limbeck, name)()
    finally:
        os.kill(process.pid, signal.SIGCONT)
    addon.pump_until(lambda: addon.session.job is None, timeout_s=40)
    assert addon.session.problem is None
    assert len(assets()) == 1


def test_blender_that_is_busy_for_long_goes_on_with_its_job(ready: Any) -> None:
    """A render stops the timer; the server must not be taken for dead after it, nor the job for lost."""
    ready.request.steps = 60
    ready.generate("a bird")
    wait_for_live(ready)
    time.sleep(8.0)
    ready.session.pump()
    assert ready.session.link.status.text == "Ready"
    step = ready.session.job.step
    ready.pump_until(lambda: ready.session.job.step > step)
    ready.session.cancel()
    ready.pump_until(lambda: ready.session.job is None)


def test_pausing_what_has_just_ended_is_a_message_and_changes_nothing(ready: Any) -> None:
    ready.request.steps = 4
    ready.generate("a bird")
    ready.pump_until(lambda: ready.session.job.stage == "exporting" or ready.session.job.phase == "downloading")
    ready.session.change("pause")
    ready.pump_until(lambda: ready.session.selected.phase == "done")
    assert len(assets()) == 1
