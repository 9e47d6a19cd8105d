# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every button in every phase: it can be used, or says why not."""

from typing import Any, get_args

import pytest

from blender.addon import module

actions = module("actions")
jobs = module("job")
ORIGIN = module("placement").at((0.0, 0.0, 0.0))
PHASES = get_args(jobs.Phase)


def job(phase: str, job_id: str = "JOB") -> Any:
    return jobs.FollowedJob("a bird", 0, "limbeck", ORIGIN, id=job_id, phase=phase)


def allowed(action: str) -> set[str]:
    return {phase for phase in PHASES if not actions.why_not(action, job(phase), is_ready=True)}


@pytest.mark.parametrize("action", get_args(actions.Action))
@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_allows_an_action_or_has_a_reason(action: str, phase: str) -> None:
    reason = actions.why_not(action, job(phase), is_ready=False)
    assert reason == "" or len(reason) > 10
    assert actions.why_not(action, None, is_ready=True) == "Select a job first"


def test_only_what_goes_on_can_be_cancelled_and_only_what_has_ended_dismissed() -> None:
    assert allowed("cancel") | allowed("dismiss") == set(PHASES)
    assert not allowed("cancel") & allowed("dismiss")


def test_what_the_server_would_refuse_is_not_offered() -> None:
    assert allowed("pause") == {"queued", "starting", "running"}
    assert allowed("resume") == {"paused"}
    assert allowed("finish") == {"running", "pausing", "paused"}
    assert allowed("retry") == {"failed", "cancelled"}
    assert allowed("fetch") == {"done", "undelivered"}


def test_a_job_that_no_server_has_can_only_be_tried_again_or_ended() -> None:
    unsent = job("failed", job_id="")
    assert "does not have the job" in actions.why_not("fork", unsent, is_ready=True)
    assert "does not have the job" in actions.why_not("retry", unsent, is_ready=True)


def test_without_a_server_only_what_needs_none_is_offered() -> None:
    assert actions.why_not("pause", job("running"), is_ready=False) == "The server cannot be reached just now"
    assert actions.why_not("cancel", job("running"), is_ready=False) == ""
