# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Plans: by the command, and by the server's own process beside its estimates."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from limbeck.errors import LimbeckError
from limbeck_protocol.job_messages import JobEstimate, JobEstimateReply
from limbeck_server.commands.plan import plan, told_time
from limbeck_server.estimates import with_plan
from limbeck_server.planner import Planned, Planner
from limbeck_server.planner_process import answer


@pytest.fixture
def planner() -> Iterator[Planner]:
    planner = Planner()
    yield planner
    planner.close()


def planned(planner: Planner, asked: JobEstimate) -> JobEstimateReply:
    """Ask as clients do: again while the plan is being made."""
    known, until = JobEstimateReply(0, "auto"), time.monotonic() + 120
    while (found := with_plan(known, planner, asked)).is_planning:
        assert time.monotonic() < until, "the planner does not answer"
        time.sleep(0.1)
    return found


def test_server_tells_a_guess_where_no_job_has_finished(planner: Planner) -> None:
    asked = JobEstimate("limbeck", steps=100)
    assert with_plan(JobEstimateReply(0, "auto"), planner, asked).is_planning, "nobody waits for the process"
    found = planned(planner, asked)
    assert (found.seconds, found.from_jobs, found.steps) == (None, 0, 100)
    assert found.planned_seconds is not None
    assert found.planned_memory_mb is not None
    assert 300 < found.planned_memory_mb < 3000
    assert found.planned_profile is not None
    assert planned(planner, JobEstimate("nothing")).planned_refusal is not None
    child = planner._child
    assert child is not None
    child.kill()
    child.wait()
    again = planned(planner, JobEstimate("limbeck", steps=200))
    assert again.planned_seconds is not None, "a child that has ended is started again"
    assert again.planned_seconds > found.planned_seconds


def test_measured_figures_stay_beside_the_plan() -> None:
    planner = Planner()
    planner._known[json.dumps(asked_object(), sort_keys=True)] = Planned(9.0, 800.0, 600, "everything at once")
    known = JobEstimateReply(2, "cpu", 61.5, 900.0, 600, True)
    found = with_plan(known, planner, JobEstimate("sjc"))
    assert (found.seconds, found.memory_mb, found.from_jobs) == (61.5, 900.0, 2)
    assert (found.planned_seconds, found.planned_memory_mb, found.is_planning) == (9.0, 800.0, None)


def asked_object() -> dict[str, object]:
    return {"recipe": "sjc", "prior": "embedded", "device": "auto", "overrides": {}}


def test_no_plans_are_made_for_another_engine() -> None:
    known = JobEstimateReply(0, "auto")
    assert with_plan(known, Planner(is_on=False), JobEstimate("sjc")) == known


@pytest.mark.parametrize(
    ("question", "code"),
    [
        ({"recipe": "nothing"}, "E_RECIPE_UNKNOWN"),
        ({"recipe": "sjc", "overrides": {"colour": 1}}, "E_SETTING_UNKNOWN"),
        ({"recipe": "sjc", "prior": "nowhere"}, "E_MODEL_UNKNOWN"),
        ({}, "E_INTERNAL"),
    ],
)
def test_process_answers_every_question(question: dict[str, object], code: str) -> None:
    assert answer(json.dumps(question))["code"] == code
    assert answer("no json")["code"] == "E_INTERNAL"


def test_plan_command_says_memory_time_and_reasons() -> None:
    shown = CliRunner().invoke(plan, ["a blue penguin", "--steps", "50", "--device", "cpu"])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("50 steps of limbeck on cpu: about ")
    assert "a guess" in shown.stdout
    found = json.loads(CliRunner().invoke(plan, ["a blue penguin", "--device", "cpu", "--json"]).stdout)
    assert found["recipe"] == "limbeck"
    assert {"memory_mb", "free_mb", "seconds", "profile", "why", "options"} <= found.keys()


def test_plan_command_refuses_what_generate_would(tmp_path: Path) -> None:
    refused = CliRunner().invoke(plan, ["a mug", "--prior", str(tmp_path)])
    assert isinstance(refused.exception, LimbeckError)
    assert refused.exception.code == "E_MODEL_ROLE"


def test_times_are_no_more_exact_than_guesses() -> None:
    assert [told_time(seconds) for seconds in (0.2, 45.4, 300, 7200)] == ["1 s", "45 s", "5 min", "2.0 h"]
