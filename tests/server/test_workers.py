# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers that hang, freeze, idle or are many, and a history that is capped, on a server with settings of its own."""

import os
import signal
from contextlib import closing
from pathlib import Path

import pytest

from limbeck_protocol.client import Busyness, Client, Status
from limbeck_protocol.job import JobSpec
from server.following import begin, end_of, reach, until
from server.harness import first, run_job, submit, wait_until
from server.in_process import service


@pytest.mark.parametrize("trouble", ["hang", "freeze"])
def test_a_worker_that_makes_no_progress_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    patience = {"stuck_step_s": 1.0} if trouble == "hang" else {"silence_s": 2.0}
    with (
        service(tmp_path, monkeypatch, checkpoint_s=0.2, **patience) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        job = begin(client, JobSpec(trouble, steps=10))
        if trouble == "freeze":
            client.top()
            os.kill(first(client, Busyness).workers[0].pid, signal.SIGSTOP)
        error = until(client, job, "interrupted").error
        assert error.code == "E_WORKER_LOST"
        assert ("made no progress" if trouble == "hang" else "no sign of life") in error.message
        client.cancel(job)
        end_of(client, job)


def test_an_idle_worker_gives_its_memory_back_and_returns_when_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        service(tmp_path, monkeypatch, idle_s=0.2) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        run_job(client, JobSpec("a penguin", steps=1))

        def state() -> str:
            client.top()
            return first(client, Busyness).workers[0].state

        wait_until(lambda: state() == "resting")
        client.status()
        assert first(client, Status).server.state == "idle"
        assert run_job(client, JobSpec("a penguin", steps=1))[1][-1].state == "succeeded"


def test_several_workers_run_several_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        service(tmp_path, monkeypatch, workers=2) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        jobs = [submit(client, JobSpec(name, steps=1000)) for name in "ab"]
        for job in jobs:
            client.watch(job, previews=False)
            reach(client, job, 1)
        client.cancel(jobs[0])
        assert end_of(client, jobs[0]).state == "cancelled"
        client.top()
        assert {worker.job for worker in first(client, Busyness).workers} == {None, jobs[1]}


def test_history_is_capped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        service(tmp_path, monkeypatch, max_history=2) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        jobs = [run_job(client, JobSpec(name, steps=1))[0] for name in "abc"]
        client.status()
        assert [line.job for line in first(client, Status).jobs] == jobs[:0:-1]
        assert sorted(path.name for path in (tmp_path / "data" / "jobs").iterdir()) == jobs[1:]
