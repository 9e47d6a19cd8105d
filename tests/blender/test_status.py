# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the panel says, without Blender."""

from dataclasses import replace
from typing import get_args

import pytest

from blender.addon import module

job = module("job")
link = module("link")
status = module("status")
QUEUED = job.FollowedJob("  a bird ", 0, "limbeck", module("placement").at((0.0, 0.0, 0.0)), id="JOB", phase="queued")


@pytest.mark.parametrize("state", get_args(status.LinkState))
def test_every_state_has_a_calm_line(state: str) -> None:
    line = status.status_line(state)
    assert line.text
    assert line.icon
    assert not line.text.endswith((".", "!"))


@pytest.mark.parametrize("phase", get_args(job.Phase))
def test_every_phase_has_a_text(phase: str) -> None:
    assert replace(QUEUED, phase=phase).progress_text


def test_bar_counts_steps_while_the_mesh_forms() -> None:
    running = replace(QUEUED, phase="running", stage="optimising", step=3, steps=12)
    assert running.progress == 0.25
    assert running.progress_text == "Forming, step 3 of 12"


def test_bar_is_empty_while_the_number_of_steps_is_not_known() -> None:
    assert replace(QUEUED, phase="running", stage="loading").progress == 0.0


def test_bar_is_full_after_the_steps_though_their_number_is_not_known_any_more() -> None:
    written = replace(QUEUED, phase="running", stage="exporting")
    assert written.progress == 1.0
    assert replace(written, phase="done").progress == 1.0
    assert replace(written, phase="failed").progress == 0.0


def test_unknown_stage_of_a_newer_server_is_just_running() -> None:
    assert replace(QUEUED, phase="running", stage="baking").progress_text == "Running"


def test_long_prompt_is_cut_for_the_name() -> None:
    assert QUEUED.title == "a bird"
    assert len(replace(QUEUED, prompt="b" * 900).title) == 60


@pytest.mark.parametrize(
    ("address", "is_local"),
    [
        ("ipc:///run/user/0/limbeck/x.sock", True),
        ("tcp://127.0.0.1:5555", True),
        ("tcp://localhost:5555", True),
        ("tcp://[::1]:5555", True),
        ("tcp://192.0.2.1:5555", False),
        ("tcp://127.0.0.1.example.org:5555", False),
        ("tcp://localhost.example.org:5555", False),
    ],
)
def test_only_this_computer_is_local(address: str, is_local: bool) -> None:
    assert link.is_local(address) is is_local
