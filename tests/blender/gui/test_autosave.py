# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Blender's auto-save, which a resident modal operator turns off, goes on while a job streams."""

import time

import pytest

from blender.gui.desk import Blender
from blender.gui.steps import assert_one_asset, generate, is_forming, is_over

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
MINUTE_S = 60.0


def test_auto_save_writes_its_file_while_a_job_streams(blender: Blender) -> None:
    folder = blender.desk.folder / "autosave"
    folder.mkdir()
    blender.call("screen.save_automatically", folder=str(folder), minutes=1)
    generate(blender, steps=700)
    deadline = time.monotonic() + 2 * MINUTE_S
    while not list(folder.glob("*autosave.blend")):
        state = blender.call("job.state")
        assert is_forming(state), state
        assert time.monotonic() < deadline, f"no auto-save in {folder}: {list(folder.iterdir())}"
        time.sleep(1.0)
    assert is_forming(blender.call("job.state")), "the job still streams after the auto-save"
    assert blender.call("screen.count_threads_and_modal_operators") == [0, 0]
    assert_one_asset(blender.watch(is_over, timeout_s=120))
    blender.quit()
