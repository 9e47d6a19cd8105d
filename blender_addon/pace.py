# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a job steps and how often its mesh comes, from what was measured lately. Knows no bpy."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from .texts import translated

WINDOW_S = 30.0
MAX_SAMPLES = 64


@dataclass(frozen=True)
class PreviewFigures:
    """What a live mesh costs: updates a second, triangles of the newest one, and its megabytes (10^6 bytes)."""

    rate_hz: float
    triangles: int
    megabytes: float

    @property
    def text(self) -> str:
        text = translated("{rate} Hz, {triangles} triangles, {megabytes} MB")
        rate, megabytes = f"{self.rate_hz:.1f}", f"{self.megabytes:.1f}"
        return text.format(rate=rate, triangles=f"{self.triangles:,}", megabytes=megabytes)


@dataclass
class StepPace:
    """Steps a second over the last half minute. A step backwards, as after an interruption, begins anew."""

    _samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MAX_SAMPLES))

    def add(self, now_s: float, step: int) -> None:
        samples = self._samples
        if samples and step < samples[-1][1]:
            samples.clear()
        if not samples or step > samples[-1][1]:
            samples.append((now_s, step))
        while len(samples) > 2 and now_s - samples[0][0] > WINDOW_S:
            samples.popleft()

    def clear(self) -> None:
        self._samples.clear()

    def eta_s(self, now_s: float, steps: int) -> float | None:
        """Return the seconds until `steps` are done, or None while nothing is known."""
        if len(self._samples) < 2:
            return None
        (start_s, start), (end_s, end) = self._samples[0], self._samples[-1]
        step_s = (end_s - start_s) / (end - start)
        return max((steps - end) * step_s - (now_s - end_s), 0.0)


@dataclass
class PreviewPace:
    """How often previews are shown."""

    _shown_at: deque[float] = field(default_factory=lambda: deque(maxlen=16))

    def add(self, now_s: float, triangles: int, size_bytes: int) -> PreviewFigures:
        """Note a shown preview and return the figures, with a rate of 0 at the first."""
        shown_at = self._shown_at
        while shown_at and now_s - shown_at[0] > WINDOW_S:
            shown_at.popleft()
        shown_at.append(now_s)
        spent_s = now_s - shown_at[0]
        rate_hz = (len(shown_at) - 1) / spent_s if spent_s > 0 else 0.0
        return PreviewFigures(round(rate_hz, 1), triangles, round(size_bytes / 1e6, 2))


def about(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return translated("{count} s").format(count=max(round(seconds), 1))
    if seconds < 90 * 60:
        return translated("{count} min").format(count=round(seconds / 60))
    return translated("{count} h").format(count=f"{seconds / 3600:.1f}")
