# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Devices, signs of life, and what becomes of jobs, without any process."""

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_server.devices import find_devices
from limbeck_server.jobs import NEXT_STATES, Job, SavedCheckpoint, in_state, with_checkpoint
from limbeck_server.lifecycle import (
    MAX_INTERRUPTIONS,
    MAX_WORKER_LOSSES,
    cancelled,
    finishing,
    interrupted,
    paused,
    put_back,
    resumed,
)
from limbeck_server.pulse import Pulse

LOST = ProtocolError("E_WORKER_LOST", "it died", "try again")
CHECKPOINT = SavedCheckpoint("checkpoint-1-7.safetensors", 1, "0", 7)


def a_job(*states: str) -> Job:
    job = Job(new_ulid(), "me", "key", "0", JobSpec("a"), 0.0)
    for state in states:
        job = in_state(job, state)
    return job


def test_each_gpu_that_may_be_seen_gets_a_worker() -> None:
    devices = find_devices(None, {"CUDA_VISIBLE_DEVICES": "2,GPU-5"})
    assert [(d.name, d.environment["CUDA_VISIBLE_DEVICES"], d.log_name) for d in devices] == [
        ("cuda:2", "2", "worker"),
        ("cuda:GPU-5", "GPU-5", "worker-1"),
    ]
    assert [d.environment["CUDA_VISIBLE_DEVICES"] for d in find_devices(3, {"CUDA_VISIBLE_DEVICES": "0,1"})] == [*"010"]
    assert [d.environment for d in find_devices(None, {"CUDA_VISIBLE_DEVICES": "-1"})] == [{}]
    assert len({d.log_name for d in find_devices(3, {"CUDA_VISIBLE_DEVICES": ""})}) == 3


def test_a_pulse_knows_how_long_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    pulse, now = Pulse(), [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert pulse.beat().quiet_s == 0.0, "without a job there is nothing to say"
    pulse.begin()
    for _ in range(5):
        now[0] += 2.0
        pulse.note()
    now[0] += 30.0
    beat = pulse.beat()
    assert (beat.quiet_s, beat.usual_s) == (30.0, 2.0)
    assert beat.memory_mb > 1
    pulse.end()
    assert pulse.beat().quiet_s == 0.0


def test_a_job_that_loses_its_worker_too_often_in_a_row_fails_and_progress_counts_anew() -> None:
    job = a_job()
    for _ in range(MAX_WORKER_LOSSES - 1):
        job = interrupted(in_state(job, "starting"), LOST, is_workers_loss=True)
        assert (job.state, job.error) == ("queued", None)
    job = with_checkpoint(in_state(in_state(job, "starting"), "running"), CHECKPOINT)
    job = interrupted(job, LOST, is_workers_loss=True)
    assert (job.state, job.step, job.worker_losses) == ("queued", 7, 1)
    again = with_checkpoint(job, replace(CHECKPOINT, file="checkpoint-2-7.safetensors"))
    assert again.worker_losses == 1, "the same step again is no progress"
    for _ in range(MAX_WORKER_LOSSES - 1):
        job = interrupted(in_state(job, "starting"), LOST, is_workers_loss=True)
    assert (job.state, job.error["code"]) == ("failed", "E_WORKER_LOST")


def test_servers_that_end_are_forgiven_longer_and_a_server_that_stops_always() -> None:
    job = a_job()
    for _ in range(MAX_INTERRUPTIONS - 1):
        job = interrupted(in_state(job, "starting"), LOST, is_workers_loss=False)
        assert job.state == "queued"
        job = put_back(in_state(job, "starting"), LOST)
    assert interrupted(in_state(job, "starting"), LOST, is_workers_loss=False).state == "failed"


def test_an_interrupted_job_keeps_what_its_owner_wanted() -> None:
    running = a_job("starting", "running")
    assert interrupted(cancelled(running), LOST, is_workers_loss=True).state == "cancelled"
    assert interrupted(paused(running), LOST, is_workers_loss=True).state == "paused"
    assert put_back(paused(running), LOST).state == "paused"
    assert interrupted(finishing(running), LOST, is_workers_loss=True).wish == "finish"


def answer_to(change: Callable[[Job], Job], job: Job) -> Job | ProtocolError:
    try:
        return change(job)
    except ProtocolError as error:
        return error


@pytest.mark.parametrize("state", NEXT_STATES)
def test_whatever_is_asked_in_whatever_state_is_done_or_refused_with_a_remedy(state: str) -> None:
    job = replace(a_job(), state=state)
    for change in (cancelled, paused, resumed, finishing):
        answer = answer_to(change, job)
        if isinstance(answer, ProtocolError):
            assert answer.code == "E_BAD_STATE"
            assert answer.remedy
        else:
            assert answer.state == state or answer.state in NEXT_STATES[state]
    assert cancelled(job).has_ended or cancelled(job).wish == "cancel"
