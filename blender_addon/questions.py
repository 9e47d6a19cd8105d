# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels want to know of the server, asked rarely: an estimate when it would change, and how busy it is.

Nothing is asked while Blender draws: a panel that is drawn only says so, and the timer asks.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import wire
from .pace import about
from .texts import translated

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.events import Busyness, ClientEvent, Estimate

TOP_INTERVAL_S = 2.0
SEEN_FOR_S = 3.0
"""A panel that was drawn this long ago may have been closed since. Each answer draws it again where it is open."""
ESTIMATE_INTERVAL_S = 0.5
"""The least time between two estimates, while a number is dragged."""
PLAN_INTERVAL_S = 1.5
"""Between two questions for a plan that the server is making."""


@dataclass(frozen=True)
class EstimateQuestion:
    """What the time and memory of a job depend on."""

    recipe: str
    prior: str
    steps: int | None
    faces: int
    overrides: str = ""


class Questions:
    """At most one question of a kind is on its way. ``changes`` counts what is new to draw."""

    def __init__(
        self,
        wanted: Callable[[], EstimateQuestion | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.busyness: Busyness | None = None
        self.changes = 0
        self._estimate: Estimate | None = None
        self._answered: EstimateQuestion | None = None
        self._wanted = wanted
        self._clock = clock
        self._seen_at = self._topped_at = self._estimated_at = float("-inf")
        self._top_request = self._estimate_request = ""
        self._asked: EstimateQuestion | None = None
        self._is_planning = False

    def panel_is_drawn(self) -> None:
        """Note that somebody looks at the server's panel."""
        self._seen_at = self._clock()

    def ask(self, client: Client) -> None:
        """Send what is due."""
        now = self._clock()
        is_seen = now - self._seen_at < SEEN_FOR_S
        if is_seen and not self._top_request and now - self._topped_at >= TOP_INTERVAL_S:
            self._topped_at, self._top_request = now, client.top()
        if not self._estimate_request and now - self._estimated_at >= ESTIMATE_INTERVAL_S:
            self._ask_estimate(client, now)

    def take(self, event: ClientEvent) -> bool:
        """Take an answer to a question of ours; return False for all other events."""
        match event:
            case wire.events.Busyness(request=request) if request == self._top_request:
                self.busyness, self._top_request = event, ""
            case wire.events.Estimate(request=request) if request == self._estimate_request:
                self._estimate, self._answered, self._estimate_request = event, self._asked, ""
                self._is_planning = bool(event.is_planning)
            case wire.events.RequestFailed(request=request) if request and request == self._top_request:
                self._top_request = ""
            case wire.events.RequestFailed(request=request) if request and request == self._estimate_request:
                self._estimate, self._answered, self._estimate_request = None, self._asked, ""
            case wire.events.JobChanged(state="succeeded"):
                self._asked = None  # the server has measured one more
                return False
            case _:
                return False
        self.changes += 1
        return True

    def forget(self) -> None:
        """Forget a server that has been left, and what it knew."""
        self.busyness = self._estimate = self._answered = self._asked = None
        self._top_request = self._estimate_request = ""
        self._topped_at = self._estimated_at = float("-inf")
        self._is_planning = False

    @property
    def estimate_text(self) -> str:
        """Return what a job would take, or "" while nobody has said."""
        if self._answered is None:
            return ""
        found = self._estimate
        if found is not None and found.planned_refusal is not None:
            return translated("Would not run: {reason}").format(reason=found.planned_refusal)
        if found is not None and found.seconds is not None:
            return estimate_text(found.seconds, found.memory_mb, found.from_jobs)
        if found is not None and found.planned_seconds is not None:
            return plan_text(found.planned_seconds, found.planned_memory_mb)
        return translated("Not measured yet on this server")

    def _ask_estimate(self, client: Client, now: float) -> None:
        wanted = self._wanted()
        is_due = self._is_planning and now - self._estimated_at >= PLAN_INTERVAL_S
        if wanted is None or (wanted == self._asked and not is_due):
            return
        try:
            overrides = wire.overrides.parse_overrides(wanted.overrides)
        except wire.errors.JobError:
            return
        self._asked, self._estimated_at = wanted, now
        self._estimate_request = client.estimate(
            wanted.recipe, prior=wanted.prior, steps=wanted.steps, faces=wanted.faces, overrides=overrides
        )


def plan_text(seconds: float, memory_mb: float | None) -> str:
    """Return a plan's time and memory in a line, as the guess that it is."""
    text = translated("About {time}{memory}, a guess before the first run")
    return text.format(time=about(seconds), memory=_memory_text(memory_mb))


def _memory_text(memory_mb: float | None) -> str:
    if memory_mb is None:
        return ""
    return ", " + translated("{gigabytes} GB").format(gigabytes=f"{memory_mb / 1000:.1f}")


def estimate_text(seconds: float, memory_mb: float | None, from_jobs: int) -> str:
    """Return time and memory in a line, no more exact than a median of a few jobs is."""
    text = translated("About {time}{memory}, by {jobs} jobs of this server")
    if from_jobs == 1:
        text = translated("About {time}{memory}, by one job of this server")
    return text.format(time=about(seconds), memory=_memory_text(memory_mb), jobs=from_jobs)
