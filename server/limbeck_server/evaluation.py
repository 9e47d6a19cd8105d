# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A batch of prompts: makes assets that are missing, measures those that are there, and goes on where it stopped."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets.atomic import require_writable
from limbeck.errors import LimbeckError
from limbeck.evaluation.asset_files import read_asset
from limbeck.evaluation.evaluate import Panel, evaluate_asset
from limbeck.evaluation.measures import mean_with_interval
from limbeck.evaluation.prompt_files import Item
from limbeck.results import Results
from limbeck_protocol.job import JobSpec
from limbeck_server.console import ProgressReport
from limbeck_server.core_engine import run
from limbeck_server.engine import EngineFinished, EngineProgress, EngineWarning
from limbeck_server.evaluation_batch import Batch, job_of
from limbeck_server.plan import plan

OF_ONE_ASSET = frozenset(
    {"E_ASSET", "E_FILE", "E_NOT_FINITE", "E_EMPTY", "E_DIVERGED", "E_UNWRAP", "E_FACES_TOO_FEW", "E_PROMPT_EMPTY"}
)
"""Errors after which the next asset may succeed; all others end the batch, whose rows stay."""
STAGE = "evaluating"
DIGITS = 6


def require_makeable(batch: Batch) -> None:
    """Refuse, before work begins, what no run could make or nobody may write.

    Raises:
        JobError, LimbeckError: as ``plan`` and ``require_writable``.
    """
    if batch.job is None:
        return
    for item in batch.items:
        if not item.asset.is_file():
            plan(job_of(item, batch.job))
            require_writable(item.asset)


def evaluate_batch(batch: Batch, results: Results, panel: Panel, report: ProgressReport) -> None:
    """Measure what has no row yet; every row is on the disk before the next item begins.

    Raises:
        LimbeckError: what is not of one asset alone, such as E_DISK_FULL.
    """
    known = {(row["prompt"], row["asset"]): row for row in results.rows}
    rest = [item for item in batch.items if not is_done(item, known)]
    done, begun_at = len(batch.items) - len(rest), time.monotonic()
    for number, item in enumerate(rest):
        started_at = time.monotonic()
        left = time_left((started_at - begun_at) / number * (len(rest) - number)) if number else ""
        step = _Step(report, done + number, len(batch.items), f"{left}{item.prompt}")
        step.show("")
        outcome = _outcome(item, batch, panel, step)
        seconds = round(time.monotonic() - started_at, 2)
        results.append({"prompt": item.prompt, "asset": str(item.asset), **outcome, "seconds": seconds})
    report.update(STAGE, len(batch.items), len(batch.items))


def is_done(item: Item, known: Mapping[tuple[str, str], Mapping[str, Any]]) -> bool:
    """Return whether an item was measured; one that failed is tried again, and so is a file that has changed."""
    row = known.get((item.prompt, str(item.asset)))
    return row is not None and "values" in row and item.asset.is_file() and row["sha256"] == _sha256(item.asset)


def summary(batch: Batch, results: Results) -> dict[str, Any]:
    """Return the means of all measures over the batch's items, and which of them failed."""
    last = {(row["prompt"], row["asset"]): row for row in results.rows}
    rows = [last[key] for item in batch.items if (key := (item.prompt, str(item.asset))) in last]
    measured = [row["values"] for row in rows if "values" in row]
    names = dict.fromkeys(name for values in measured for name in values)
    means = {name: mean_with_interval([values[name] for values in measured if name in values]) for name in names}
    return {
        "results": str(results.path),
        "judge": batch.protocol.judge,
        "assets": len(rows),
        "failed": [{"prompt": row["prompt"], "asset": row["asset"], **row["error"]} for row in rows if "error" in row],
        "measures": {name: _rounded(vars(mean)) for name, mean in means.items()},
    }


def time_left(seconds: float) -> str:
    """Return how long the rest takes at the pace so far, for people: "(3 min left) "."""
    minutes = round(seconds / 60)
    shown = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min" if minutes else "under 1 min"
    return f"({shown} left) "


@dataclass(frozen=True)
class _Step:
    """Shows where an item is, and how long its batch will still take."""

    report: ProgressReport
    done: int
    total: int
    title: str

    def show(self, what: str) -> None:
        self.report.update(STAGE, self.done, self.total, f"{self.title} {what}".strip())


def _outcome(item: Item, batch: Batch, panel: Panel, step: _Step) -> dict[str, Any]:
    """Return what a row says of an item: its measures, or its error."""
    try:
        made = _make_missing(item, batch.job, step)
        mesh = read_asset(item.asset)
        values = evaluate_asset(
            mesh, item.prompt, panel, batch.protocol, lambda done, of: step.show(f"{done}/{of} pictures")
        )
        return {"sha256": _sha256(item.asset), **made, "values": _rounded(values)}
    except LimbeckError as error:
        if error.code not in OF_ONE_ASSET:
            raise
        step.report.warn(error.code, f"{item.asset}: {error.message}")
        return {"error": {"code": error.code, "message": error.message}}


def _make_missing(item: Item, job: JobSpec | None, step: _Step) -> dict[str, Any]:
    """Make an item's asset where it is missing; return how, for the row."""
    if job is None or item.asset.is_file():
        return {}
    with closing(run(job_of(item, job), item.asset, started_at=time.time())) as events:
        return {"made": next(_made(events, step))}


def _made(events: Any, step: _Step) -> Iterator[dict[str, Any]]:
    for event in events:
        match event:
            case EngineProgress():
                count = f" {event.step}/{event.steps}" if event.steps else ""
                step.show(f"{event.stage}{count}")
            case EngineWarning():
                step.report.warn(event.code, f"{step.title}: {event.message}")
            case EngineFinished():
                kept = ("recipe", "prior", "steps", "seed", "faces", "seconds")
                yield {name: event.summary[name] for name in kept}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in values.items()}
