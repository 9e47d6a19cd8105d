# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job's life on a real server with the synthetic engine: paused, resumed, forked, finished early, killed, revived."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from limbeck_protocol.client import (
    Busyness,
    Client,
    Downloaded,
    JobChanged,
    JobWarning,
    LogText,
    RequestFailed,
    Status,
    Submitted,
)
from limbeck_protocol.job import JobSpec
from server.following import begin, end_of, until
from server.harness import first, kinds, pump_until, run_job, submit, wait_until
from server.in_process import service
from server.synthetic_engine import trace


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Give a client of a server that checkpoints five times a second."""
    with (
        service(tmp_path, monkeypatch, checkpoint_s=0.2) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as opened,
    ):
        yield opened


def descend(client: Client, request: str) -> str:
    event = pump_until(client, lambda e: getattr(e, "request", None) == request)[-1]
    assert isinstance(event, Submitted), event
    client.watch(event.job, previews=False)
    return event.job


def refusal(client: Client, request: str) -> str:
    event = pump_until(client, lambda e: getattr(e, "request", None) == request)[-1]
    assert isinstance(event, RequestFailed), event
    return event.error.code


def fetched(client: Client, job: str, folder: Path) -> bytes:
    client.fetch(job, folder / f"{job}.glb")
    return first(client, Downloaded).path.read_bytes()


def test_a_paused_job_frees_its_worker_and_ends_as_if_it_had_not_been(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=30, seed=5), step=4)
    client.pause(job)
    assert until(client, job, "pausing")
    paused = until(client, job, "paused")
    assert 4 <= paused.step < 30
    other = submit(client, JobSpec("another", steps=1))
    client.watch(other)
    assert end_of(client, other).state == "succeeded", "its worker is free"
    client.resume(job)
    assert until(client, job, "running").step == paused.step
    end = end_of(client, job)
    assert end.state == "succeeded"
    assert fetched(client, job, tmp_path) == trace(5, 30)


def test_pausing_with_nothing_else_to_do_ends_the_worker_process(client: Client) -> None:
    job = begin(client, JobSpec("trace", steps=1000))
    client.top()
    (worker,) = first(client, Busyness).workers
    assert (worker.job, worker.state) == (job, "busy")
    client.pause(job)
    until(client, job, "paused")
    wait_until(lambda: not psutil.pid_exists(worker.pid) or psutil.Process(worker.pid).status() == "zombie")
    client.resume(job)
    until(client, job, "running")
    client.cancel(job)
    assert end_of(client, job).state == "cancelled"


def test_a_waiting_job_is_paused_and_resumed_at_once(client: Client) -> None:
    running, waiting = begin(client, JobSpec("trace", steps=1000)), submit(client, JobSpec("another", steps=1))
    client.pause(waiting)
    until(client, waiting, "paused")
    client.resume(waiting)
    until(client, waiting, "queued")
    client.cancel(running)
    client.watch(waiting)
    assert end_of(client, waiting).state == "succeeded"


def test_a_job_that_is_finished_early_keeps_what_there_is(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=1000), step=3)
    client.finish(job)
    end = end_of(client, job)
    assert end.state == "succeeded"
    done = end.summary["done"]
    assert 3 <= done < 1000
    assert fetched(client, job, tmp_path) == trace(0, done)


def test_a_paused_job_is_finished_from_its_checkpoint(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=1000), step=3)
    client.pause(job)
    step = until(client, job, "paused").step
    client.finish(job)
    assert end_of(client, job).summary["done"] == step
    assert fetched(client, job, tmp_path) == trace(0, step)


def test_a_fork_goes_on_from_a_checkpoint_with_other_settings(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=1000, faces=500), step=6)
    client.pause(job)
    step = until(client, job, "paused").step
    assert refusal(client, client.fork(job, {}, step=-1)) == "E_NOT_FOUND"
    key = "fork-1"
    fork = descend(client, client.fork(job, {"seed": 9, "steps": step + 4, "overrides": {"a": 1}}, key=key))
    assert fork != job
    assert end_of(client, fork).state == "succeeded"
    state = trace(0, step)
    for _ in range(4):
        state = hashlib.sha256(state + (9).to_bytes(8, "little")).digest()
    assert fetched(client, fork, tmp_path) == state
    assert descend(client, client.fork(job, {"seed": 9, "steps": step + 4, "overrides": {"a": 1}}, key=key)) == fork
    client.status(job)
    assert [line.state for line in first(client, Status).jobs] == ["paused"]


def test_a_failed_job_is_tried_again_from_its_checkpoint_or_from_the_start(client: Client) -> None:
    job = begin(client, JobSpec("fail", steps=16))
    assert end_of(client, job).error.code == "E_DIVERGED"
    again = descend(client, client.retry(job))
    started = until(client, again, "running").step
    assert 0 < started <= 8
    assert end_of(client, again).error.code == "E_DIVERGED"
    anew = descend(client, client.retry(again, from_start=True))
    assert until(client, anew, "running").step == 0
    assert end_of(client, anew).state == "failed"


def test_requests_that_do_not_fit_a_jobs_state_are_refused(client: Client) -> None:
    done, _ = run_job(client, JobSpec("a penguin", steps=1))
    for ask in (client.pause, client.resume, client.finish, client.retry, client.move):
        assert refusal(client, ask(done)) == "E_BAD_STATE"
    assert refusal(client, client.fork(done, {}, step=7)) == "E_NOT_FOUND"
    running = begin(client, JobSpec("trace", steps=1000), step=8)
    assert refusal(client, client.fork(running, {"references": []})) == "E_SCHEMA"
    assert refusal(client, client.fork(running, {"faces": 1})) == "E_SCHEMA"
    assert refusal(client, client.fork(running, {}, step=12345)) == "E_NOT_FOUND"
    assert refusal(client, client.cancel(running, attempt=7)) == "E_BAD_STATE"
    waiting = submit(client, JobSpec("another"))
    assert refusal(client, client.fork(waiting, {})) == "E_NOT_FOUND", "it has no checkpoint"
    assert refusal(client, client.finish(waiting)) == "E_BAD_STATE"
    assert refusal(client, client.move(waiting, to="nowhere")) == "E_SCHEMA"
    client.cancel(running, attempt=1)
    assert end_of(client, running).state == "cancelled"


def test_priority_and_place_decide_who_is_next(client: Client) -> None:
    running = begin(client, JobSpec("trace", steps=1000))
    a, b, c = (submit(client, JobSpec(name, steps=1)) for name in "abc")
    client.move(c, to="first")
    client.move(a, priority=-1)
    first(client, JobChanged)
    client.submit(JobSpec("urgent"), priority=5)
    urgent = first(client, Submitted).job
    client.top()
    busy = first(client, Busyness)
    assert ([line.job for line in busy.queue], busy.waiting) == ([urgent, c, b, a], 4)
    client.move(c, to="last")
    client.top()
    assert [line.job for line in first(client, Busyness).queue] == [urgent, b, c, a]
    client.cancel(running)


def test_a_worker_that_is_killed_costs_no_more_than_since_its_checkpoint(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=40, seed=3), step=12)
    client.top()
    os.kill(first(client, Busyness).workers[0].pid, signal.SIGKILL)
    interrupted = until(client, job, "interrupted")
    assert interrupted.error.code == "E_WORKER_LOST"
    assert until(client, job, "running").step >= 4
    end = end_of(client, job)
    assert (end.state, end.error) == ("succeeded", None)
    assert fetched(client, job, tmp_path) == trace(3, 40)


def test_damaged_checkpoints_are_passed_over(client: Client, tmp_path: Path) -> None:
    job = begin(client, JobSpec("trace", steps=40), step=12)
    client.pause(job)
    step = until(client, job, "paused").step
    newest = tmp_path / "data" / "jobs" / job / f"checkpoint-1-{step}.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1] + b"\xff")
    client.resume(job)
    warning = first(client, JobWarning)
    assert warning.code == "W_CHECKPOINT_DAMAGED"
    assert f"step {step} is damaged" in warning.message
    assert 0 < until(client, job, "running").step < step
    assert end_of(client, job).state == "succeeded"
    assert fetched(client, job, tmp_path) == trace(0, 40)


def test_a_job_that_kills_its_workers_fails_after_three_and_the_next_one_runs(client: Client) -> None:
    _, events = run_job(client, JobSpec("crash"))
    states = [event.state for event in kinds(events, JobChanged)]
    assert states.count("starting") == states.count("interrupted") == 3
    assert (events[-1].state, events[-1].error.code) == ("failed", "E_WORKER_LOST")
    assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"


def test_weights_stay_warm_from_job_to_job(client: Client) -> None:
    kept = [run_job(client, JobSpec("a penguin", steps=1))[1][-1].summary["jobs"] for _ in range(3)]
    assert kept == [1, 2, 3]


def test_a_jobs_log_tells_its_story(client: Client) -> None:
    job, _ = run_job(client, JobSpec("crash"))
    client.log(job)
    text = first(client, LogText).text
    for part in ("starting, attempt 1", "stage optimising", "ended (status 7)", "failed, attempt 3"):
        assert part in text
    client.log(submit(client, JobSpec("another")))
    assert first(client, LogText).text == ""
