# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel knows about the one job that it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .placement import Placement

if TYPE_CHECKING:
    from limbeck_protocol.job import JobSpec

Phase = Literal[
    "waiting",
    "submitted",
    "queued",
    "starting",
    "running",
    "finalizing",
    "pausing",
    "paused",
    "interrupted",
    "downloading",
    "importing",
    "cancelling",
]
STAGES = {
    "loading": "Loading",
    "compiling": "Compiling, the first time only",
    "optimising": "Forming",
    "extracting": "Extracting the mesh",
    "exporting": "Writing the asset",
}
PHASES: dict[Phase, str] = {
    "waiting": "Waiting for the server",
    "submitted": "Sent",
    "queued": "Queued",
    "starting": "Starting",
    "running": "Running",
    "finalizing": "Finishing",
    "pausing": "Pausing",
    "paused": "Paused on the server",
    "interrupted": "Interrupted, goes on soon",
    "downloading": "Downloading the asset",
    "importing": "The asset waits for Object Mode",
    "cancelling": "Cancelling",
}


@dataclass(frozen=True)
class Problem:
    """An error as the panel shows it: `code` is the E_ code, `fix` the bl_idname of an operator that mends it."""

    message: str
    remedy: str = ""
    code: str = ""
    fix: str = ""


@dataclass(frozen=True)
class FollowedJob:
    """A job from Generate, or one found again by its live mesh in a loaded file, which knows its `id` but no `spec`.

    `asked_steps` is what the panel says, 0 for the recipe's own number; `steps` is what the server counts to.
    """

    prompt: str
    seed: int
    recipe: str
    placement: Placement
    spec: JobSpec | None = None
    id: str = ""
    asked_steps: int = 0
    asked_faces: int = 0
    phase: Phase = "waiting"
    stage: str = ""
    step: int = 0
    steps: int = 0

    @property
    def title(self) -> str:
        """Return the name for its objects."""
        return self.prompt.strip()[:60] or "Limbeck"

    @property
    def progress(self) -> float:
        """Return the fraction done, 0 to 1."""
        return min(self.step / self.steps, 1.0) if self.steps else 0.0

    @property
    def progress_text(self) -> str:
        if self.phase != "running":
            return PHASES[self.phase]
        text = STAGES.get(self.stage, PHASES["running"])
        return f"{text}, step {self.step} of {self.steps}" if self.steps and self.stage == "optimising" else text
