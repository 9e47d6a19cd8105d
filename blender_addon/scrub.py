# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Earlier steps of the selected job: which there are, and the mesh of the one that was chosen. Knows no bpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import wire
from .job import FollowedJob, Problem

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.events import ClientEvent, StepMesh
    from limbeck_protocol.lines import CheckpointLine
    from limbeck_protocol.mesh_codec import MeshData

REFRESH_S = 5.0
KEPT_MESHES = 8


class Scrub:
    """The checkpoints of one job. While the slider is dragged one mesh at a time is fetched, then the newest choice."""

    def __init__(self, report: Callable[[Problem], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.chosen: int | None = None
        self._report = report
        self._clock = clock
        self._lines: tuple[CheckpointLine, ...] = ()
        self._job = ""
        self._asked_at = float("-inf")
        self._asked_phase = ""
        self._list_request = self._mesh_request = ""
        self._meshes: dict[int, MeshData] = {}

    @property
    def steps(self) -> tuple[int, ...]:
        """Return the steps whose mesh can be looked at, in order."""
        return tuple(line.step for line in self._lines if line.has_mesh)

    @property
    def is_loading(self) -> bool:
        return self.chosen is not None and self.chosen not in self._meshes

    @property
    def fraction(self) -> float:
        """Return where the slider stands, 0 to 1: the part of the last kept step. 1 is also the live mesh."""
        steps = self.steps
        return 1.0 if self.chosen not in steps else self.chosen / max(steps[-1], 1)

    def choose(self, step: int | None) -> None:
        """Choose a step to look at, or None for the live mesh."""
        self.chosen = step if step in self.steps else None

    def choose_at(self, fraction: float) -> None:
        """Choose the step that is nearest to where the slider stands."""
        steps = self.steps
        if steps:
            self.chosen = min(steps, key=lambda step: abs(step - fraction * steps[-1]))

    def move(self, places: int) -> None:
        """Choose a step so many places later; from the live mesh, the last one is the first to be had."""
        steps = self.steps
        if steps:
            here = steps.index(self.chosen) if self.chosen in steps else len(steps)
            self.chosen = steps[min(max(here + places, 0), len(steps) - 1)]

    def refresh(self, client: Client, job: FollowedJob | None) -> None:
        """Ask for the selected job's checkpoints when it is another one or they are old, and for the chosen mesh."""
        job_id = job.id if job is not None else ""
        if job_id != self._job:
            self._begin(job_id)
        if job is None or not job_id or client.state != "ready":
            return
        is_old = job.goes_on and self._clock() - self._asked_at >= REFRESH_S
        if (is_old or job.phase != self._asked_phase) and not self._list_request:
            self._asked_at, self._asked_phase = self._clock(), job.phase
            self._list_request = client.checkpoints(job_id)
        if self.chosen is not None and self.chosen not in self._meshes and not self._mesh_request:
            self._mesh_request = client.fetch_mesh(job_id, self.chosen)

    def handle(self, event: ClientEvent) -> None:
        """Take the answer to a question of ours; others are ignored."""
        events = wire.events
        match event:
            case events.Checkpoints(request=request) if request == self._list_request:
                self._list_request, self._lines = "", event.checkpoints
            case events.StepMesh(request=request) if request == self._mesh_request:
                self._keep(event)
            case events.RequestFailed(request=request) if request and request == self._list_request:
                self._list_request = ""  # a server before minor version 2 has no list
            case events.RequestFailed(request=request, error=error) if request and request == self._mesh_request:
                self._mesh_request, self.chosen = "", None
                self._report(Problem(error.message, error.remedy, error.code))
            case _:
                return

    def forget_requests(self) -> None:
        """Ask anew: the connection that was asked is no more."""
        self._list_request = self._mesh_request = self._asked_phase = ""

    def mesh(self) -> MeshData | None:
        """Return the mesh of the chosen step once it is here."""
        return None if self.chosen is None else self._meshes.get(self.chosen)

    def _begin(self, job_id: str) -> None:
        self._job, self._lines, self._meshes, self.chosen = job_id, (), {}, None
        self.forget_requests()

    def _keep(self, event: StepMesh) -> None:
        self._mesh_request = ""
        while len(self._meshes) >= KEPT_MESHES:
            del self._meshes[next(iter(self._meshes))]
        self._meshes[event.step] = event.mesh
