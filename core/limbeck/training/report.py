# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a training run did, and the model card that says so beside the weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets.atomic import write_bytes_atomically

LOSS_WINDOW = 100
"""Steps that one point of a loss curve is the mean of."""


@dataclass(frozen=True)
class TrainingReport:
    """How far a run came and at what cost.

    Attributes:
        steps: optimiser steps taken, all runs together.
        total_steps: as many as it was to take.
        losses: by name, the mean over each LOSS_WINDOW steps, of those that reported it; ``loss`` was minimised.
        seconds, cpu_seconds: wall-clock and processor time, all runs together.
        resumed: how often it was continued from a checkpoint.
    """

    steps: int
    total_steps: int
    losses: Mapping[str, tuple[float, ...]]
    seconds: float
    cpu_seconds: float
    resumed: int

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        return self.steps >= self.total_steps


def write_card(
    folder: Path, name: str, report: TrainingReport, facts: Mapping[str, Any], sheet: Path | None = None
) -> None:
    """Write ``card.json`` (for programs) and ``README.md`` (for people) beside the weights.

    Args:
        facts: whatever else a reader needs (data counts, seeds, measured figures); plain JSON values.
        sheet: a contact sheet, which is copied into the folder unless it is there.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    picture = None if sheet is None else _copy_into(folder, sheet)
    files = {path.relative_to(folder).as_posix(): path.stat().st_size for path in sorted(folder.rglob("*.safetensors"))}
    files.pop("checkpoint.safetensors", None)
    card = {
        "name": name,
        "facts": dict(facts),
        "training": {
            "steps": report.steps,
            "total_steps": report.total_steps,
            "seconds": round(report.seconds, 1),
            "cpu_seconds": round(report.cpu_seconds, 1),
            "resumed": report.resumed,
            "loss_window_steps": LOSS_WINDOW,
            "losses": {key: [round(value, 6) for value in curve] for key, curve in report.losses.items()},
        },
        "bytes": files,
    }
    write_bytes_atomically(folder / "card.json", (json.dumps(card, indent=1) + "\n").encode())
    write_bytes_atomically(folder / "README.md", _readme(card, picture).encode())


def _copy_into(folder: Path, sheet: Path) -> str:
    if sheet.resolve().parent != folder.resolve():
        write_bytes_atomically(folder / sheet.name, sheet.read_bytes())
    return sheet.name


def _readme(card: Mapping[str, Any], picture: str | None) -> str:
    training = card["training"]
    finals = ", ".join(
        f"{key} {curve[-1]:.4f} (at first {curve[0]:.4f})" for key, curve in training["losses"].items() if curve
    )
    lines = [
        f"# {card['name']}",
        "",
        "Trained by this repository on procedural objects; no other data.",
        "",
        "| fact | value |",
        "|---|---|",
        *(f"| {key.replace('_', ' ')} | {_cell(value)} |" for key, value in card["facts"].items()),
        f"| steps | {training['steps']} of {training['total_steps']} |",
        f"| time | {training['seconds']:.0f} s, of processors {training['cpu_seconds']:.0f} s |",
        f"| losses, mean of {LOSS_WINDOW} steps | {finals or 'none yet'} |",
        f"| weights | {sum(card['bytes'].values()) / 1e6:.1f} MB |",
    ]
    if picture is not None:
        lines += ["", f"![samples]({picture})"]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("|", "\\|").replace("\n", " ")
