# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""For faults.py: what the database, the files and the watcher say when everything has ended."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from faults_load import ENDS, Load
from faults_parts import CHECKPOINT_S, STEP_S, Recorder

from limbeck_server.database import FILE_NAME


def verdict(
    folder: Path,
    load: Load,
    recorder: Recorder,
    victims: dict[str, int],
    answered: Sequence[float],
    resumed: Mapping[str, Sequence[float]],
) -> dict[str, Any]:
    """Return the figures; ``passed`` says whether nothing was lost."""
    with closing(sqlite3.connect(folder / "data" / FILE_NAME)) as database:
        states = dict(database.execute("SELECT id, state FROM jobs").fetchall())
        stories = stories_of(database)
        summaries = dict(database.execute("SELECT id, summary FROM jobs WHERE state = 'succeeded'").fetchall())
        (integrity,) = database.execute("PRAGMA integrity_check").fetchone()
    wrong = [job for job, text in summaries.items() if not is_right(folder, job, json.loads(text), load)]
    faults = {
        **job_faults(load, states, stories),
        **event_faults(load, recorder, stories),
        "wrong_assets": len(wrong),
        "requests_refused": len(load.refused),
        "database_damaged": int(integrity != "ok"),
    }
    lost_s = [steps * STEP_S for steps in recorder.lost_steps]
    return {
        "passed": not any(faults.values()),
        "kills": victims,
        "jobs": len(load.acknowledged),
        **{state: sum(found == state for found in states.values()) for state in ("succeeded", "cancelled")},
        "events": sum(map(len, stories.values())),
        **faults,
        "server_answers_again_s": spread(answered),
        "work_goes_on_s": {victim: spread(values) for victim, values in resumed.items()},
        "checkpoint_every_s": CHECKPOINT_S,
        "work_lost_s": spread([s for s in lost_s if s > 0]),
        "refusals": load.refused[:5],
    }


def job_faults(load: Load, states: dict[str, str], stories: dict[str, list[tuple[int, str]]]) -> dict[str, int]:
    """Return what is wrong with the jobs."""
    return {
        "acknowledged_jobs_lost": sum(job not in states for job in load.acknowledged),
        "jobs_not_ended": sum(states.get(job) not in ENDS for job in load.acknowledged),
        "jobs_failed": sum(state == "failed" for state in states.values()),
        "cancelled_unasked": sum(state == "cancelled" and job not in load.cancelled for job, state in states.items()),
        "jobs_nobody_asked_for": len(states.keys() - load.acknowledged.keys()),
        "ended_twice": sum(sum(state in ENDS for _, state in story) > 1 for story in stories.values()),
    }


def event_faults(load: Load, recorder: Recorder, stories: dict[str, list[tuple[int, str]]]) -> dict[str, int]:
    """Return what is wrong with the events, in the store and as they were heard."""
    heard = {job: [(seq, event.state) for seq, event in seen.events] for job, seen in recorder.seen.items()}
    numbers = {job: [seq for seq, _ in events] for job, events in heard.items()}
    return {
        "event_gaps_in_store": sum([seq for seq, _ in s] != list(range(1, len(s) + 1)) for s in stories.values()),
        "event_gaps_heard": sum(gaps(seqs) for seqs in numbers.values()),
        "events_heard_twice": sum(len(seqs) - len(set(seqs)) for seqs in numbers.values()),
        "stories_heard_otherwise": sum(heard.get(job) != stories.get(job) for job in load.acknowledged),
    }


def stories_of(database: sqlite3.Connection) -> dict[str, list[tuple[int, str]]]:
    """Return each job's events as (number, state)."""
    stories: dict[str, list[tuple[int, str]]] = {}
    for job, seq, event in database.execute("SELECT job, seq, event FROM events ORDER BY job, seq"):
        stories.setdefault(job, []).append((seq, json.loads(event)["state"]))
    return stories


def gaps(seqs: list[int]) -> int:
    """Return how many numbers are missing."""
    return len(set(range(1, max(seqs, default=0) + 1)) - set(seqs))


def is_right(folder: Path, job: str, summary: dict[str, Any], load: Load) -> bool:
    """Say whether a job's asset is what its steps make, neither one more nor one less."""
    wanted = load.acknowledged.get(job)
    if wanted is None:
        return False
    state = bytes(32)
    for _ in range(summary["done"]):
        state = hashlib.sha256(state + wanted.seed.to_bytes(8, "little")).digest()
    asset = (folder / "data" / "jobs" / job / "asset.glb").read_bytes()
    return summary["done"] <= wanted.steps and asset == state


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and maximum."""
    if not values:
        return {}
    return {"median": round(statistics.median(values), 3), "max": round(max(values), 3), "count": len(values)}
