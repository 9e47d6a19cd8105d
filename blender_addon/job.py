# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels know about one of the jobs that they follow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .pace import PreviewFigures, about
from .placement import Placement
from .texts import translated

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
    "undelivered",
    "done",
    "failed",
    "cancelled",
]
ENDED: tuple[Phase, ...] = ("undelivered", "done", "failed", "cancelled")
"""Nothing more comes of itself."""
FORMED: tuple[Phase, ...] = ("finalizing", "downloading", "importing", "undelivered", "done")
"""All steps are done."""
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
    "undelivered": "The asset is ready but not here",
    "done": "Done",
    "failed": "Failed",
    "cancelled": "Cancelled",
}


@dataclass(frozen=True)
class Problem:
    """An error as the panel shows it.

    Attributes:
        code: the protocol's, such as E_DISK_FULL, or "".
        fix: the bl_idname of an operator that mends it, or "".
    """

    message: str
    remedy: str = ""
    code: str = ""
    fix: str = ""


@dataclass(frozen=True)
class FollowedJob:
    """A job from Generate, or one found again by its live mesh or in the server's list, with an `id` but no `spec`.

    Attributes:
        id: the server's name for it, "" until the server has answered.
        asked_steps: what the panel says, 0 for the recipe's own number; `steps` is what the server counts to.
        key: names it among this Blender's jobs from the beginning.
        position: 1 for the next of the jobs that wait, or None.
        eta_s: seconds until the last step at the measured rate, or None.
        preview: what its live mesh costs, once there were two.
        problem: what went wrong with it last.
        shows_mesh: whether it has a live mesh in the scene.
        held_step: the checkpoint that its live mesh shows instead of the newest mesh, or None.
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
    key: str = ""
    position: int | None = None
    eta_s: float | None = None
    preview: PreviewFigures | None = None
    problem: Problem | None = None
    shows_mesh: bool = True
    held_step: int | None = None

    @property
    def goes_on(self) -> bool:
        """Return whether something more comes of itself."""
        return self.phase not in ENDED

    @property
    def title(self) -> str:
        """Return the name for its objects."""
        return self.prompt.strip()[:60] or "Limbeck"

    @property
    def progress(self) -> float:
        """Return the fraction done, 0 to 1."""
        if self.phase in FORMED or (self.phase == "running" and self.stage == "exporting"):
            return 1.0  # what comes after the steps counts none
        return min(self.step / self.steps, 1.0) if self.steps else 0.0

    @property
    def progress_text(self) -> str:
        if self.phase == "queued" and self.position is not None:
            return translated("Queued, number {position} in line").format(position=self.position)
        if self.phase != "running":
            return self.phase_text
        if self.steps and self.stage == "optimising":
            return translated("Forming, step {step} of {steps}").format(step=self.step, steps=self.steps)
        return translated(STAGES.get(self.stage, PHASES["running"]))

    @property
    def phase_text(self) -> str:
        return translated(PHASES[self.phase])

    @property
    def eta_text(self) -> str:
        """Return about how long the steps still take, or ""."""
        if self.eta_s is None or self.phase != "running":
            return ""
        return translated("about {time} left").format(time=about(self.eta_s))
