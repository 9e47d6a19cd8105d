# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Ways to bring a job somewhere and to wait for what becomes of it."""

from typing import Any

from limbeck_protocol.client import Client, JobChanged, JobProgress
from limbeck_protocol.job import JobSpec
from server.harness import has_ended, pump_until, submit


def begin(client: Client, spec: JobSpec, step: int = 1) -> str:
    """Submit and watch a job; it has done so many steps when this returns."""
    job = submit(client, spec)
    client.watch(job, previews=False)
    reach(client, job, step)
    return job


def reach(client: Client, job: str, step: int) -> None:
    def is_there(event: Any) -> bool:
        return (
            isinstance(event, JobProgress) and event.job == job and event.stage == "optimising" and event.step >= step
        )

    pump_until(client, is_there)


def until(client: Client, job: str, state: str) -> JobChanged:
    """Return the change that brings the job into a state."""
    event = pump_until(client, lambda e: isinstance(e, JobChanged) and e.job == job and e.state == state)[-1]
    assert isinstance(event, JobChanged)
    return event


def end_of(client: Client, job: str) -> JobChanged:
    event = pump_until(client, lambda e: has_ended(e, job))[-1]
    assert isinstance(event, JobChanged)
    return event
