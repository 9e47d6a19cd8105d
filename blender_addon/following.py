# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One job's life on this side of the wire: requests and events in, effects on the scene out. Knows no bpy.

An effect that the scene cannot take now (Edit Mode, a render) is held and offered again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import fixes, problems, wire
from .job import FollowedJob, Problem
from .pace import PreviewPace, StepPace
from .surroundings import SceneError, Surroundings

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.errors import ProtocolError
    from limbeck_protocol.events import ClientEvent, JobChanged, JobProgress
    from limbeck_protocol.mesh_codec import MeshData

TRY_AGAIN_S = 5.0
_CANCELLABLE = ("submitted", "queued", "starting", "running", "finalizing", "pausing", "paused", "interrupted")


class Following:
    """One job from its submission, or from when it was found, to its asset."""

    def __init__(self, job: FollowedJob, around: Surroundings) -> None:
        self.job = job
        self._around = around
        self._requests: dict[str, str] = {}
        self._attach_at = 0.0
        self._mesh: MeshData | None = None
        self._newest: MeshData | None = None
        self._asset: Path | None = None
        self._ending: bool | None = None
        self._step_pace, self._preview_pace = StepPace(), PreviewPace()
        self.showing_s = 0.0  # how long the scene took for the newest mesh

    @property
    def has_effects(self) -> bool:
        """Return whether something waits for the scene."""
        return self._asset is not None or self._mesh is not None or self._ending is not None

    def attach(self, client: Client) -> None:
        """Send a new job, or watch one that has an id. The client keeps what it cannot send yet."""
        job = self.job
        if job.phase != "waiting" or self._around.clock() < self._attach_at:
            return
        if job.id:
            self.expect("watch", client.watch(job.id, previews=job.shows_mesh))
        elif job.spec is not None:
            self.expect("submit", client.submit(job.spec, job.key))
        else:
            self._fail(problems.NEVER_SENT)
            return
        self._set(phase="submitted")

    def expect(self, what: str, request: str) -> None:
        """Remember what was asked of the server: submit, watch, fetch or change."""
        self._requests[request] = what

    def detach(self) -> None:
        """Wait for another connection, because the one that the job was followed through is no more."""
        self._requests.clear()
        if self.job.goes_on and self.job.phase != "importing":
            self._set(phase="waiting")

    def stall(self, problem: Problem) -> None:
        """Take note that no server will come. A job that no server has yet is over; another one's may come back."""
        if not self.job.goes_on or self.job.phase == "importing" or self.job.problem == problem:
            return
        if self.job.id:
            self._complain(problem)
        else:
            self._fail(problem)

    def handle(self, event: ClientEvent, client: Client) -> None:
        """Take an event of the client's; those about other jobs are ignored."""
        events = wire.events
        request = getattr(event, "request", None)
        match event:
            case events.Submitted(job=job_id) if request in self._requests:
                del self._requests[request]
                self._begin(job_id, client)
            case events.RequestFailed(error=error) if request in self._requests:
                self._be_refused(self._requests.pop(request), error)
            case events.Downloaded(path=path) if request in self._requests and self.job.phase == "downloading":
                self._asset = path
                self._set(phase="importing", problem=None)
            case events.JobChanged(job=job_id) if job_id == self.job.id:
                self._change(event, client)
            case events.JobProgress(job=job_id) if job_id == self.job.id:
                self._advance(event)
            case events.JobWarning(job=job_id) if job_id == self.job.id:
                self._warn(event.code, event.message)
            case events.PreviewMesh(job=job_id, mesh=mesh) if job_id == self.job.id and self.job.goes_on:
                self._take_preview(mesh)

    def deliver(self) -> None:
        """Offer the scene what it has not taken yet; the asset makes a preview pointless."""
        scene = self._around.scene
        if self._ending is not None:
            if scene.end_preview(self.job, keep=self._ending):
                self._ending = None
        elif self._asset is not None:
            self._deliver_asset(self._asset)
        elif self._mesh is not None:
            self._deliver_mesh(self._mesh)

    def cancel(self, client: Client | None, *, is_ready: bool) -> None:
        """Cancel the job; where the server cannot answer now, leave the job and ask once it is back."""
        if not self.job.goes_on:
            return
        if self.job.id and client is not None:
            self.expect("change", client.cancel(self.job.id))
        if is_ready and self.job.phase in _CANCELLABLE:
            self._set(phase="cancelling", problem=None)
        else:
            self._end("cancelled", keep=not is_ready)

    def fetch(self, client: Client) -> None:
        """Get the asset of a job that has one, again where the last try failed."""
        self.expect("fetch", client.fetch(self.job.id, self._around.downloads / f"{self.job.id}.glb"))
        self._set(phase="downloading", problem=None)

    def show_mesh(self, client: Client, *, is_shown: bool) -> None:
        """Have a live mesh or none; without one the server sends no previews."""
        self._set(shows_mesh=is_shown)
        if self.job.phase in _CANCELLABLE:
            self.expect("watch", client.watch(self.job.id, previews=is_shown))
        if is_shown:
            self._mesh = self._newest
        else:
            self._mesh, self._ending = None, False

    def hold(self, step: int, mesh: MeshData) -> None:
        """Show the mesh of a checkpoint instead of the newest one."""
        self._mesh, self._ending = mesh, None
        self._set(held_step=step)

    def unhold(self) -> None:
        """Show the newest mesh again, or none where the job has ended."""
        if self.job.held_step is None:
            return
        self._set(held_step=None)
        self._mesh = self._newest if self.job.goes_on else None
        if not self.job.goes_on:
            self._ending = False

    def place(self, position: int | None) -> None:
        """Take note of the job's place in the server's queue."""
        if self.job.position != position:
            self._set(position=position)

    def leave(self) -> None:
        """Make the live mesh an ordinary object: nobody follows the job any more."""
        self._around.scene.end_preview(self.job, keep=True)

    def _begin(self, job_id: str, client: Client) -> None:
        """Watch the job that the server made of our submission, or cancel it if the artist did meanwhile."""
        if not wire.ids.is_ulid(job_id):
            self._fail(problems.NO_JOB_ID)
            return
        self._set(id=job_id)
        if self.job.goes_on:
            self.expect("watch", client.watch(job_id, previews=self.job.shows_mesh))
        if self.job.phase in ("cancelling", "cancelled"):
            client.cancel(job_id)

    def _be_refused(self, what: str, error: ProtocolError) -> None:
        problem = problems.refused(error)
        if what == "fetch":
            self._keep_on_server(problems.undelivered(problem))
        elif what == "change":
            self._complain(problem)
            if self.job.phase == "cancelling":
                self._set(phase="waiting")
        elif what == "watch" and error.retryable:
            self._attach_at = self._around.clock() + TRY_AGAIN_S
            self._set(phase="waiting")
        elif what == "watch" and error.code == "E_NOT_FOUND":  # another server may have it: keep its name
            self._complain(problem)
            self._set(phase="failed")
        elif self.job.goes_on:
            self._fail(problem)

    def _change(self, event: JobChanged, client: Client) -> None:
        job = self.job
        match event.state:
            case _ if not job.goes_on or job.phase in ("downloading", "importing"):
                return
            case "failed":
                self._fail(problems.refused(event.error))
            case "cancelled" if job.phase == "cancelling":
                self._end("cancelled", keep=False)
            case "cancelled":
                self._complain(problems.CANCELLED_ELSEWHERE)
                self._end("cancelled", keep=True)
            case "succeeded" if job.phase == "cancelling":
                self._end("cancelled", keep=False)
            case "succeeded":
                self._succeed(event.summary or {}, client)
            case _ if job.phase != "cancelling":
                self._set(phase=event.state, step=event.step, steps=event.steps, problem=None)
                self._step_pace.clear()

    def _succeed(self, summary: dict[str, Any], client: Client) -> None:
        form, seed = str(summary.get("format", "glb")), summary.get("seed")
        if self.job.spec is None and type(seed) is int:  # a job of the server's list, which tells no seed
            self._set(seed=seed)
        if form == "glb":
            self.fetch(client)
        else:
            self._keep_on_server(problems.not_a_glb(form, self.job.id))

    def _advance(self, event: JobProgress) -> None:
        now_s, eta_s = self._around.clock(), None
        if event.stage == "optimising":
            self._step_pace.add(now_s, event.step)
            eta_s = self._step_pace.eta_s(now_s, event.steps)
        self._set(stage=event.stage, step=event.step, steps=event.steps, eta_s=None if eta_s is None else round(eta_s))

    def _warn(self, code: str, message: str) -> None:
        if code.startswith("E_"):
            self._complain(problems.damaged(code, message))
        else:
            self._around.note(message)

    def _take_preview(self, mesh: MeshData) -> None:
        most = self._around.most_triangles()
        if len(mesh.faces) > most:
            self._complain(problems.too_large(len(mesh.faces), most))
            return
        if self.job.problem is not None and self.job.problem.fix == fixes.PREFERENCES:
            self._set(problem=None)
        self._newest = mesh
        if self.job.held_step is None and self.job.shows_mesh:
            self._mesh = mesh

    def _deliver_mesh(self, mesh: MeshData) -> None:
        start_s = self._around.clock()
        try:
            is_shown = self._around.scene.show_preview(self.job, mesh)
        except SceneError as error:
            self._mesh = None
            self._complain(problems.not_shown(str(error)))
            return
        if is_shown:
            self._mesh = None
            self.showing_s = self._around.clock() - start_s
            self._note_preview(mesh)

    def _note_preview(self, mesh: MeshData) -> None:
        size_bytes = mesh.vertices.nbytes + mesh.faces.nbytes + mesh.colors.nbytes
        figures = self._preview_pace.add(self._around.clock(), len(mesh.faces), size_bytes)
        self._set(preview=figures)

    def _deliver_asset(self, file: Path) -> None:
        try:
            is_imported = self._around.scene.import_asset(self.job, file)
        except SceneError as error:
            self._keep_on_server(problems.undelivered(problems.not_imported(str(error), file)))
            return
        if is_imported:
            self._forget_meshes()
            self._set(phase="done", step=self.job.steps, held_step=None)

    def _keep_on_server(self, problem: Problem) -> None:
        """Leave the asset where it is, and the live mesh as it is, until the artist asks for it again."""
        self._asset = None
        self._complain(problem)
        self._set(phase="undelivered")

    def _fail(self, problem: Problem) -> None:
        """Say what went wrong and leave the artist the mesh that there is."""
        self._complain(problem)
        self._end("failed", keep=True)

    def _end(self, phase: Any, *, keep: bool) -> None:
        self._forget_meshes()
        self._ending = keep
        self._set(phase=phase, held_step=None, eta_s=None)
        self.deliver()

    def _forget_meshes(self) -> None:
        self._mesh = self._newest = self._asset = None

    def _complain(self, problem: Problem) -> None:
        if problem != self.job.problem:
            self._set(problem=problem)
            self._around.report(problem)

    def _set(self, **changes: Any) -> None:
        self.job = replace(self.job, **changes)
