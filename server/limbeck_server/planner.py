# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Plans for ``job.estimate``, made by a process of its own: the server asks, goes on, and has the answer later."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from limbeck_protocol.job_messages import JobEstimate
from limbeck_protocol.typed import to_plain

MAX_PLANS = 200
"""Answers that are remembered."""


@dataclass(frozen=True)
class Planned:
    """What a plan says; ``refusal`` where the job cannot be planned, as when it does not fit."""

    seconds: float | None = None
    memory_mb: float | None = None
    steps: int | None = None
    profile: str | None = None
    refusal: str | None = None


@dataclass
class Planner:
    """At most one child, which is asked one question at a time; while it thinks, only the newest other one waits.

    Attributes:
        is_on: whether plans are made at all: those of the core's own engine.
    """

    is_on: bool = True
    _known: OrderedDict[str, Planned] = field(default_factory=OrderedDict)
    _child: subprocess.Popen[str] | None = None
    _waiting: str | None = None
    _is_busy: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, asked: JobEstimate) -> Planned | None:
        """Return the plan of a job, or None while it is being made, and forever where no plans are made."""
        if not self.is_on:
            return None
        question = json.dumps(to_plain(asked), sort_keys=True)
        with self._lock:
            if question in self._known:
                return self._known[question]
            self._waiting = question
            if not self._is_busy:
                self._is_busy = True
                threading.Thread(target=self._work, name="planner", daemon=True).start()
        return None

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self.is_on, self._waiting = False, None
        self._end_child()

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                with suppress(OSError):  # what it still held for a child that is gone
                    pipe.close()

    def _work(self) -> None:
        """Have the questions answered until none waits."""
        while True:
            with self._lock:
                question, self._waiting = self._waiting, None
                if question is None or question in self._known:
                    self._is_busy = False
                    return
            found = self._answer(question)
            with self._lock:
                self._known[question] = found
                while len(self._known) > MAX_PLANS:
                    self._known.popitem(last=False)

    def _answer(self, question: str) -> Planned:
        """Ask the child; one that has ended since it was asked last, or does so now, is started once more."""
        for _ in range(2):
            with suppress(OSError, ValueError):
                child = self._started()
                if child.stdin is not None and child.stdout is not None:
                    child.stdin.write(question + "\n")
                    child.stdin.flush()
                    return _read(json.loads(child.stdout.readline()))
            self._end_child()
        return Planned(refusal="the planner does not answer")

    def _started(self) -> subprocess.Popen[str]:
        if self._child is not None and self._child.poll() is not None:
            self._end_child()
        if self._child is None:
            command = [sys.executable, "-P", "-m", "limbeck_server.planner_process"]
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        return self._child


def _read(answer: dict[str, Any]) -> Planned:
    if "code" in answer:
        return Planned(refusal=f"{answer['code']}: {answer['message']}"[:500])
    return Planned(float(answer["seconds"]), float(answer["memory_mb"]), int(answer["steps"]), str(answer["profile"]))
