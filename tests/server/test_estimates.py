# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a job would take: medians over a server's own finished jobs, and nothing where there are none."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from limbeck_protocol.client import Client, Estimate
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.job_messages import JobEstimate
from limbeck_server.estimates import MAX_JOBS, estimate
from limbeck_server.jobs import Job
from server.harness import pump_until, run_job
from server.in_process import service


def finished(seconds: float = 60.0, steps: int = 100, *, spec: dict[str, Any] | None = None, **changes: Any) -> Job:
    summary = {"seconds": seconds, "steps": steps, "optimising_seconds": seconds - 10.0, "peak_memory_mb": 1000}
    summary |= {"device": "cpu"} | changes.pop("summary", {})
    described = JobSpec("a penguin", **({"recipe": "sjc", "faces": 500} | (spec or {})))
    fields: dict[str, Any] = {"state": "succeeded", "attempt": 1, "summary": summary} | changes
    return Job(new_ulid(), "me", "key", "0", described, 0.0, **fields)


def test_the_median_counts_and_only_the_steps_part_grows_with_the_steps() -> None:
    jobs = [finished(s, summary={"peak_memory_mb": s * 10}) for s in (60.0, 50.0, 110.0)]
    same = estimate(jobs, JobEstimate("sjc", steps=100))
    assert (same.seconds, same.memory_mb, same.from_jobs, same.device) == (60.0, 600.0, 3, "cpu")
    assert estimate(jobs, JobEstimate("sjc", steps=200)).seconds == 110.0
    assert estimate(jobs, JobEstimate("sjc", steps=50)).seconds == 35.0
    assert estimate(jobs, JobEstimate("sjc")).steps == 100, "the recipe's own number"


@pytest.mark.parametrize(
    "other",
    [
        {"spec": {"recipe": "csd"}},
        {"spec": {"prior": "/models/sd"}},
        {"summary": {"device": "cuda"}, "spec": {"device": "cuda"}},
        {"attempt": 2},
        {"parent": new_ulid()},
        {"wish": "finish"},
        {"state": "failed"},
        {"summary": {"seconds": "soon"}},
        {"summary": {"seconds": float("nan")}},
        {"summary": {"steps": 0}},
        {"summary": {"optimising_seconds": 1e9, "steps": 7}},
        {"summary": None, "state": "cancelled"},
    ],
)
def test_other_jobs_and_those_not_run_in_one_piece_do_not_count(other: dict) -> None:
    changes = dict(other)
    odd = finished(**({} if changes.pop("summary", 0) is None else {"summary": other.get("summary", {})}), **changes)
    alone = estimate([odd], JobEstimate("sjc", steps=100, device="cpu"))
    assert (alone.seconds, alone.memory_mb, alone.from_jobs, alone.is_exact) == (None, None, 0, False)
    assert estimate([finished(), odd], JobEstimate("sjc", steps=100, device="cpu")).from_jobs == 1


def test_jobs_with_the_same_settings_and_faces_are_preferred() -> None:
    slow = finished(200.0, spec={"overrides": {"views": 8}, "faces": 900})
    jobs = [finished(60.0), slow, finished(70.0, spec={"faces": 900})]
    exact = estimate(jobs, JobEstimate("sjc", steps=100, faces=900, overrides={"views": 8}))
    assert (exact.seconds, exact.from_jobs, exact.is_exact) == (200.0, 1, True)
    assert estimate(jobs, JobEstimate("sjc", steps=100, faces=900)).seconds == 70.0
    near = estimate(jobs, JobEstimate("sjc", steps=100, faces=7))
    assert (near.seconds, near.from_jobs, near.is_exact) == (65.0, 2, False)
    far = estimate(jobs, JobEstimate("sjc", steps=100, overrides={"views": 2}))
    assert (far.seconds, far.from_jobs, far.is_exact) == (70.0, 3, False)


def test_auto_is_what_it_came_to_and_own_steps_are_those_that_were_left_to_the_recipe() -> None:
    jobs = [
        finished(90.0, spec={"device": "cpu"}),
        finished(9.0, 400, summary={"device": "cuda", "optimising_seconds": 8.0}),
    ]
    auto = estimate(jobs, JobEstimate("sjc"))
    assert (auto.device, auto.seconds, auto.steps, auto.from_jobs) == ("cuda", 9.0, 400, 1)
    assert estimate(jobs, JobEstimate("sjc", device="cpu")).seconds == 90.0
    given = [finished(spec={"steps": 100})]
    assert estimate(given, JobEstimate("sjc")).seconds is None, "nobody has left the steps to the recipe yet"
    assert estimate(given, JobEstimate("sjc")).steps is None
    assert estimate([], JobEstimate("sjc", steps=3)).from_jobs == 0


def test_a_job_that_does_not_say_how_long_its_steps_took_counts_for_as_many_steps_alone() -> None:
    job = finished(summary={"optimising_seconds": None})
    assert estimate([job], JobEstimate("sjc", steps=100)).seconds == 60.0
    assert estimate([job], JobEstimate("sjc", steps=101)).seconds is None


def test_only_the_newest_jobs_count() -> None:
    jobs = [finished(1000.0)] * 50 + [finished(60.0)] * MAX_JOBS
    found = estimate(jobs, JobEstimate("sjc", steps=100))
    assert (found.seconds, found.from_jobs) == (60.0, MAX_JOBS)


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    with service(tmp_path, monkeypatch) as endpoint, closing(Client(endpoint, app="t", client_id="t")) as opened:
        yield opened


def ask(client: Client, recipe: str, **options: Any) -> Estimate:
    request = client.estimate(recipe, **options)
    found = pump_until(client, lambda event: getattr(event, "request", None) == request)[-1]
    assert isinstance(found, Estimate), found
    return found


def test_a_server_knows_nothing_at_first_and_learns_from_its_jobs(client: Client) -> None:
    assert ask(client, "dreamfusion").from_jobs == 0
    run_job(client, JobSpec("a penguin", recipe="dreamfusion"))
    found = ask(client, "dreamfusion")
    assert (found.from_jobs, found.device, found.steps, found.memory_mb) == (1, "synthetic", 6, 100)
    assert found.seconds is not None
    twice = ask(client, "dreamfusion", steps=12)
    assert twice.seconds == pytest.approx(found.seconds + 6 * 0.05, abs=0.02)
    assert ask(client, "limbeck").seconds is None
