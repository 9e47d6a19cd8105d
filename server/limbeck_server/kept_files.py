# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The files of a job that its rows name, and which checkpoints stay when there are too many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Artifact:
    """A file that a job made; ``file`` is its name in the job's folder, chosen by the server."""

    file: str
    size: int
    sha256: str
    suffix: str


@dataclass(frozen=True)
class SavedMesh:
    """A mesh in the job's folder, packed as on the wire: see ``mesh_codec.pack_mesh``."""

    file: str
    size: int
    sha256: str
    vertices: int
    faces: int
    edges: int = 0


@dataclass(frozen=True)
class SavedCheckpoint:
    """A file in the job's folder to go on from: all that a run was after ``step`` steps.

    Attributes:
        attempt: the one that wrote it, 0 if that is not known any more.
        seconds: how long the job had run by then, without what was lost on the way.
        milestone: its number among those that stay as long as the job; 0 makes room for newer ones.
        mesh: of that step.
    """

    file: str
    size: int
    sha256: str
    step: int
    attempt: int = 0
    seconds: float | None = None
    milestone: int = 0
    mesh: SavedMesh | None = None

    @property
    def all_bytes(self) -> int:
        """How much room it takes with its mesh."""
        return self.size + (self.mesh.size if self.mesh else 0)


def milestone_bytes(checkpoints: Sequence[SavedCheckpoint]) -> int:
    """Return how much room the milestones among them take."""
    return sum(checkpoint.all_bytes for checkpoint in checkpoints if checkpoint.milestone)


def thinned(checkpoints: Sequence[SavedCheckpoint], max_bytes: int | None, newest: int) -> tuple[SavedCheckpoint, ...]:
    """Return the checkpoints to keep: the newest, and the milestones as far as there is room for them.

    Where they take more than ``max_bytes``, every second one goes, by its number, and again until the rest fits: those
    that stay are evenly spread, and it is the same ones whatever was thinned before.

    Args:
        checkpoints: newest first.
        max_bytes: room for milestones; None is no bound.
        newest: how many to keep in any case; one that is no milestone any more has no mesh.
    """
    stride = 1
    kept = [checkpoint for checkpoint in checkpoints if checkpoint.milestone]
    while kept and max_bytes is not None and milestone_bytes(kept) > max_bytes:
        stride *= 2
        kept = [checkpoint for checkpoint in kept if checkpoint.milestone % stride == 0]
    files = {checkpoint.file for checkpoint in kept}
    remaining = [c if c.file in files else replace(c, milestone=0, mesh=None) for c in checkpoints]
    return tuple(c for place, c in enumerate(remaining) if place < newest or c.milestone)
