# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The table that `benchmarks/gpu.py` prints."""

from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = (
    ("recipe", 16),
    ("method", 14),
    ("ms/step", 9),
    ("UNet", 6),
    ("VAE", 6),
    ("render", 7),
    ("rest", 6),
    ("MB", 8),
    ("TFLOP", 10),
    ("% peak", 7),
    ("models %", 9),
    ("paper, min", 11),
)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return one line per recipe under a line that says where it was measured."""
    head = rows[0] if rows else {"device": "?", "torch": "?", "clock": "?", "dry_run": False}
    where = f"{head['device']}, torch {head['torch']}, {head['clock']}"
    if head["dry_run"]:
        where = f"DRY RUN on tiny models, {where}: these figures say nothing about any GPU"
    titles = "".join(f"{title:<{width}}" if width > 13 else f"{title:>{width}}" for title, width in COLUMNS)
    return "\n".join([where, titles, *map(_line, rows)])


def _line(row: Mapping[str, Any]) -> str:
    start = f"{row['recipe']:<16}{row['method']:<14}"
    if row["error"] is not None:
        return f"{start} failed: {row['error']}"
    share = [f"{100 * row[f'{part}_share']:.0f}%" for part in ("unet", "vae", "render", "rest")]
    models = row["models_percent_of_peak"]
    values = (
        f"{row['ms_per_step']:.1f}",
        *share,
        str(row["peak_memory_mb"]),
        f"{row['tflop_per_step']:.4g}",
        f"{row['percent_of_peak']:.1f}",
        "-" if models is None else f"{models:.1f}",
        f"{row['paper_schedule_minutes']:.1f}",
    )
    return start + "".join(f"{value:>{width}}" for value, (_, width) in zip(values, COLUMNS[2:], strict=True))
