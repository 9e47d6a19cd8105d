# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that happens between Generate and the asset. The only place that polls; it never blocks, and knows no bpy.

A timer calls `pump`; so do the tests. Events come from the client, effects go to the scene, and an effect that the
scene cannot take now (Edit Mode, a render) is held and offered again at the next pump.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from . import wire
from .job import FollowedJob, Problem
from .link import Link
from .placement import Placement

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.events import ClientEvent, JobChanged
    from limbeck_protocol.job import JobSpec
    from limbeck_protocol.mesh_codec import MeshData

BUSY_INTERVAL_S = 0.05
IDLE_INTERVAL_S = 0.25
UNLINKED_INTERVAL_S = 1.0
_CANCELLABLE = ("submitted", "queued", "starting", "running", "finalizing", "pausing", "paused", "interrupted")


class SceneError(Exception):
    """An effect that the scene refuses for good; the text says why."""


class Scene(Protocol):
    """Where effects go. Each of the first two returns False where it cannot be done now."""

    def show_preview(self, job: FollowedJob, mesh: MeshData) -> bool: ...

    def import_asset(self, job: FollowedJob, file: Path) -> bool: ...

    def end_preview(self, job: FollowedJob, *, keep: bool) -> None: ...

    def redraw(self) -> None: ...


class Session:
    """One server connection and at most one followed job."""

    def __init__(self, scene: Scene, link: Link, downloads: Path) -> None:
        self.link = link
        self.job: FollowedJob | None = None
        self.problem: Problem | None = None
        self.note = ""
        self._scene = scene
        self._downloads = downloads
        self._preview: MeshData | None = None
        self._asset: Path | None = None
        self._requests: frozenset[str] = frozenset()
        self._drawn: object = None

    def pump(self, budget_s: float = 0.004) -> float:
        """Do what is to be done now; return the seconds until the next call is worth while."""
        for event in self.link.pump(budget_s, is_wanted=self.job is not None):
            self._handle(event)
        if self.job is not None and self.job.phase == "waiting" and self.link.client is not None:
            self._attach(self.job, self.link.client)
        if self.job is not None and self.link.failure is not None:
            self._fail(self.job, self.link.failure)
        self._deliver()
        self._redraw_if_changed()
        return self._interval_s

    def submit(self, spec: JobSpec, placement: Placement) -> None:
        """Follow a new job; start a server for it where none runs."""
        self.problem, self.note = None, ""
        job = FollowedJob(spec.prompt, spec.seed, spec.recipe_name, placement, spec)
        self.job = replace(job, asked_steps=spec.steps or 0, asked_faces=spec.faces)
        if self.link.client is None:
            self.link.start_server()

    def resume(self, job: FollowedJob) -> None:
        """Follow a job that a loaded file knows by its id, unless that is none: it becomes the name of a file."""
        self.problem, self.note = None, ""
        if wire.PROBLEM:
            return
        if wire.ids.is_ulid(job.id):
            self.job = replace(job, phase="waiting")
        else:
            self.problem = Problem("The file's live mesh names no job of Limbeck's", "Delete it, or its limbeck_job")

    def forget(self) -> None:
        """Stop following without touching the job or the scene, because another file is about to be loaded."""
        job, client = self.job, self.link.client
        if job is not None and job.id:
            self.note = f"The job of the last file goes on; fetch it with: limbeck get {job.id}"
            if client is not None:
                client.unwatch(job.id)
        self._end()

    def cancel(self) -> None:
        """Cancel the followed job; where the server cannot answer now, leave the job and ask once it is back."""
        job, client = self.job, self.link.client
        if job is None:
            return
        if job.id and client is not None:
            client.cancel(job.id)
        if self.link.is_ready and job.phase in _CANCELLABLE:
            self.job = replace(job, phase="cancelling")
        else:
            self._drop(job, keep=not self.link.is_ready)

    def close(self) -> None:
        """Leave the server; its jobs go on."""
        self._end()
        self.link.close()

    @property
    def _interval_s(self) -> float:
        if self.job is not None:
            return BUSY_INTERVAL_S
        return UNLINKED_INTERVAL_S if self.link.client is None else IDLE_INTERVAL_S

    def _attach(self, job: FollowedJob, client: Client) -> None:
        """Send a new job, or watch one that has an id. The client keeps what it cannot send yet."""
        if job.id:
            self._requests |= {client.watch(job.id)}
        elif job.spec is not None:
            self._requests |= {client.submit(job.spec)}
        self.job = replace(job, phase="submitted")

    def _handle(self, event: ClientEvent) -> None:
        events = wire.events
        job, client = self.job, self.link.client
        match event:
            case events.Submitted(request=request, job=job_id) if client is not None:
                self._follow(request, job_id, client)
            case events.RequestFailed(request=request, error=error) if request in self._requests and job is not None:
                self._fail(job, Problem(error.message, error.remedy))
            case events.JobChanged(job=job_id) if job is not None and job_id == job.id:
                self._change(job, event)
            case events.JobProgress(job=job_id) if job is not None and job_id == job.id:
                self.job = replace(job, stage=event.stage, step=event.step, steps=event.steps)
            case events.JobWarning(job=job_id, message=message) if job is not None and job_id == job.id:
                self.note = message
            case events.PreviewMesh(job=job_id, mesh=mesh) if job is not None and job_id == job.id:
                self._preview = mesh
            case events.Downloaded(job=job_id, path=path) if job is not None and job_id == job.id:
                self._asset = path
                self.job = replace(job, phase="importing")

    def _follow(self, request: str, job_id: str, client: Client) -> None:
        """Watch the job that the server made of our submission, or cancel it if the artist did meanwhile."""
        if request not in self._requests or self.job is None:
            client.cancel(job_id)
            return
        if not wire.ids.is_ulid(job_id):
            self._fail(self.job, Problem("The server sent a job id that is none", "Update the server"))
            return
        self.job = replace(self.job, id=job_id)
        self._requests |= {client.watch(job_id)}
        if self.job.phase == "cancelling":
            client.cancel(job_id)

    def _change(self, job: FollowedJob, event: JobChanged) -> None:
        match event.state:
            case "failed":
                error = event.error
                self._fail(job, Problem(error.message, error.remedy) if error else Problem("The job failed"))
            case "cancelled":
                self._drop(job, keep=False)
            case "succeeded" if job.phase == "cancelling":
                self._drop(job, keep=False)
            case "succeeded" if job.phase not in ("downloading", "importing") and self.link.client is not None:
                file = self._downloads / f"{job.id}.glb"
                self._requests |= {self.link.client.fetch(job.id, file)}
                self.job = replace(job, phase="downloading")
            case "queued" | "starting" | "running" | "finalizing" | "pausing" | "paused" | "interrupted" if (
                job.phase != "cancelling"
            ):
                self.job = replace(job, phase=event.state, step=event.step, steps=event.steps)

    def _deliver(self) -> None:
        """Offer the scene what it has not taken yet; the asset makes a preview pointless."""
        job = self.job
        if job is None:
            return
        if self._asset is not None:
            self._deliver_asset(job, self._asset)
        elif self._preview is not None and self._scene.show_preview(job, self._preview):
            self._preview = None

    def _deliver_asset(self, job: FollowedJob, file: Path) -> None:
        try:
            is_imported = self._scene.import_asset(job, file)
        except SceneError as error:
            self._fail(job, Problem(str(error), f"The asset is kept: {file}"))
            return
        if is_imported:
            self._end()

    def _fail(self, job: FollowedJob, problem: Problem) -> None:
        """Say what went wrong and leave the artist the mesh that there is."""
        self.problem = problem
        self._drop(job, keep=True)

    def _drop(self, job: FollowedJob, *, keep: bool) -> None:
        self._scene.end_preview(job, keep=keep)
        self._end()

    def _end(self) -> None:
        self.job = self._preview = self._asset = None
        self._requests = frozenset()

    def _redraw_if_changed(self) -> None:
        shown = (self.link.shown, self.job, self.problem, self.note)
        if shown != self._drawn:
            self._drawn = shown
            self._scene.redraw()
