# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Scalars that change over a run, as data.

A schedule is piecewise linear over the run's progress, 0 at the first step and 1 at the end, so that ``--steps N``
rescales every schedule of a recipe at once. In JSON it is a number, or a list of [progress, value] pairs; on a command
line also ``0:10,0.5:40``. Two points at one progress make a jump.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

LARGEST_RATE = 1.0
"""Of Adam's learning rates, which are about how far a parameter moves in a step; parameters are of the order of 1."""


@dataclass(frozen=True)
class Schedule:
    """A piecewise linear function of progress; constant before its first and after its last point."""

    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Refuse schedules that are empty, unordered, outside the run or not finite."""
        at = [progress for progress, _ in self.points]
        if not at:
            raise ValueError("expected a number or [progress, value] pairs, got an empty schedule")
        if any(not math.isfinite(number) for point in self.points for number in point):
            raise ValueError(f"expected finite numbers, got {self.points}")
        if at != sorted(at) or at[0] < 0.0 or at[-1] > 1.0:
            raise ValueError(f"expected progress values rising from 0 to 1, got {at}")

    def __call__(self, progress: float) -> float:
        """Return the value at ``progress`` in [0, 1]."""
        at = [point[0] for point in self.points]
        right = bisect_right(at, progress)
        if right == 0:
            return self.points[0][1]
        if right == len(at):
            return self.points[-1][1]
        (x0, y0), (x1, y1) = self.points[right - 1], self.points[right]
        return y0 + (y1 - y0) * (progress - x0) / (x1 - x0)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read a number, pairs or ``0:10,1:40``; write the shortest of the first two."""
        return core_schema.no_info_plain_validator_function(
            parse_schedule, serialization=core_schema.plain_serializer_function_ser_schema(as_plain)
        )


def constant(value: float) -> Schedule:
    """Return a schedule that never changes."""
    return Schedule(((0.0, float(value)),))


def linear(start: float, stop: float, *, begin: float = 0.0, end: float = 1.0) -> Schedule:
    """Return a schedule from ``start`` to ``stop`` between two points of progress."""
    return Schedule(((float(begin), float(start)), (float(end), float(stop))))


def as_plain(schedule: Schedule) -> float | list[list[float]]:
    """Return the JSON form."""
    if len(schedule.points) == 1:
        return schedule.points[0][1]
    return [list(point) for point in schedule.points]


def parse_schedule(value: Any) -> Schedule:
    """Read a schedule from its JSON or command-line form.

    Raises:
        ValueError: if the value is none of the forms above.
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, bool) or value is None:
        raise ValueError(f"expected a number or [progress, value] pairs, got {value!r}")
    if isinstance(value, int | float):
        return constant(_number(value))
    pairs = [part.split(":") for part in value.split(",")] if isinstance(value, str) else value
    if isinstance(value, str) and len(pairs) == 1 and len(pairs[0]) == 1:
        return constant(_number(value))
    try:
        return Schedule(tuple((_number(progress), _number(number)) for progress, number in pairs))
    except TypeError as error:
        raise ValueError(f"expected [progress, value] pairs, got {value!r}") from error


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"expected a number, got {str(text)[:40]!r}") from error


def require_rate(name: str, rate: Schedule) -> None:
    """Refuse a learning rate below 0, or above ``LARGEST_RATE``, which only throws parameters about.

    Raises:
        ValueError: naming it.
    """
    values = [value for _, value in rate.points]
    if not 0 <= min(values) <= max(values) <= LARGEST_RATE:
        found = min(values) if min(values) < 0 else max(values)
        raise ValueError(f"expected learning rates from 0 to {LARGEST_RATE:g}, got {found:g} for {name}")
