# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the server knows of one worker process, from its start to its end, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from limbeck_server.worker_messages import Beat


@dataclass(frozen=True)
class Assignment:
    """The attempt at a job that a worker is busy with."""

    job: str
    attempt: int


@dataclass(frozen=True)
class Loss:
    """A worker process that ended while it had an assignment; ``reason`` says how, for people.

    ``is_blameless`` if the job cannot be the cause.
    """

    assignment: Assignment
    reason: str
    was_cancelled: bool
    is_blameless: bool = False


class WorkerProcess(Protocol):
    """A process, here or elsewhere, as far as it can be watched and ended."""

    pid: int

    @property
    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        ...

    def terminate(self) -> None:
        """Ask it to end."""
        ...

    def kill(self) -> None:
        """End it."""
        ...


@dataclass
class Life:
    """What is known of one process, from its start on.

    Attributes:
        peer: its routing id, once it has dialled home.
        heard_at, busy_at: when it last said something, and when it last had work; monotonic seconds.
        has_worked: whether it has had a job.
        cancelled_at: when it was told to end its assignment.
        verdict: why the server ends it, and whether the job cannot be the cause.
    """

    process: WorkerProcess
    token: str
    started_at: float
    heard_at: float
    busy_at: float
    peer: bytes | None = None
    is_ready: bool = False
    beat: Beat = Beat(0.0, 0.0, 0.0)
    cancelled_at: float | None = None
    has_worked: bool = False
    is_terminating: bool = False
    verdict: str = ""
    is_blameless: bool = False


def how_it_ended(exit_code: int) -> str:
    """Return what an exit status says, for people."""
    memory = "; the system may have run out of memory" if exit_code == -9 else ""
    return f"ended (signal {-exit_code}){memory}" if exit_code < 0 else f"ended (status {exit_code})"
