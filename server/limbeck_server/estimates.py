# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a job would take, by what finished jobs like it took on this server, and beside that by its plan."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from limbeck_protocol.job_messages import JobEstimate, JobEstimateReply
from limbeck_server.jobs import Job
from limbeck_server.planner import Planner

MAX_NUMBER = 1e12
MAX_JOBS = 20
"""The newest jobs count: older ones may have run on another release or machine."""


def estimate(jobs: Sequence[Job], asked: JobEstimate) -> JobEstimateReply:
    """Return the medians over finished jobs with the same recipe, prior and device, those alone that are most alike.

    Args:
        jobs: all of the server's, oldest first.
        asked: what the job would be.
    """
    of_recipe = [job for job in reversed(jobs) if _is_measure(job) and job.spec.recipe_name == asked.recipe]
    device = _device_for(of_recipe, asked.device)
    alike = [job for job in of_recipe if job.spec.prior == asked.prior and _device_of(job) == device]
    steps = asked.steps if asked.steps is not None else _own_steps(alike or of_recipe)
    nothing = JobEstimateReply(0, device, steps=steps)
    if steps is None:
        return nothing
    timed = [job for job in alike if _seconds_for(job, steps) is not None]
    chosen, is_exact = _most_alike(timed, asked)
    if not chosen:
        return nothing
    seconds = [_seconds_for(job, steps) or 0.0 for job in chosen]
    memory = [mb for job in chosen if (mb := _number(job, "peak_memory_mb")) is not None]
    known = replace(nothing, from_jobs=len(chosen), seconds=round(statistics.median(seconds), 2), is_exact=is_exact)
    return replace(known, memory_mb=statistics.median(memory) if memory else None)


def with_plan(known: JobEstimateReply, planner: Planner, asked: JobEstimate) -> JobEstimateReply:
    """Return the estimate with what the job's plan says, or that it is being made."""
    if not planner.is_on:
        return known
    planned = planner.ask(asked)
    if planned is None:
        return replace(known, is_planning=True)
    return replace(
        known,
        steps=known.steps or planned.steps,
        planned_seconds=planned.seconds,
        planned_memory_mb=planned.memory_mb,
        planned_profile=planned.profile,
        planned_refusal=planned.refusal,
    )


def _is_measure(job: Job) -> bool:
    """Say whether a job ran from its first step to its last in one piece."""
    is_whole = job.attempt == 1 and job.parent is None and job.wish == ""
    return job.state == "succeeded" and is_whole and bool(_number(job, "seconds")) and bool(_number(job, "steps"))


def _device_of(job: Job) -> str:
    """Return what a job computed on, as far as its engine says."""
    found = (job.summary or {}).get("device")
    return found if isinstance(found, str) else job.spec.device


def _device_for(jobs: Sequence[Job], asked: str) -> str:
    """Return what ``auto`` came to in the newest job that asked for it."""
    if asked != "auto":
        return asked
    return next((_device_of(job) for job in jobs if job.spec.device == "auto"), "auto")


def _own_steps(jobs: Sequence[Job]) -> int | None:
    """Return the recipe's own number of steps, by the newest job that left it to the recipe."""
    own = (job for job in jobs if job.spec.steps is None and "steps" not in job.spec.overrides)
    found = next((_number(job, "steps") for job in own), None)
    return None if found is None else round(found)


def _seconds_for(job: Job, steps: int) -> float | None:
    """Return how long a job would have taken with another number of steps; None if its engine does not say enough."""
    seconds, own_steps = _number(job, "seconds") or 0.0, _number(job, "steps") or 1.0
    if own_steps == steps:
        return seconds
    optimising = _number(job, "optimising_seconds")
    if optimising is None or not 0 <= optimising <= seconds:
        return None
    return seconds + optimising * (steps / own_steps - 1)


def _most_alike(jobs: Sequence[Job], asked: JobEstimate) -> tuple[list[Job], bool]:
    """Return the newest of those jobs that share the most with what is asked for, and whether that is everything."""

    def has_settings(job: Job) -> bool:
        return job.spec.overrides == asked.overrides

    def has_faces(job: Job) -> bool:
        return asked.faces is None or job.spec.faces == asked.faces

    tiers: tuple[Callable[[Job], bool], ...] = (
        lambda job: has_settings(job) and has_faces(job),
        has_settings,
        lambda _job: True,
    )
    for number, tier in enumerate(tiers):
        chosen = [job for job in jobs if tier(job)][:MAX_JOBS]
        if chosen:
            return chosen, number == 0
    return [], False


def _number(job: Job, name: str) -> float | None:
    """Return a number of a job's summary, which an engine wrote."""
    value = (job.summary or {}).get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < MAX_NUMBER:
        return None
    return float(value)
