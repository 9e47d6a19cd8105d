# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that happens between Generate and the assets. The only place that polls; it never blocks, and knows no bpy.

A timer calls `pump`; so do the tests. Events come from the client and go to the jobs (following.py); at most one job
a pump may change the scene, so that several jobs cost no more of Blender's time than one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import wire
from .following import Following
from .heirs import fork_of, heir_of
from .job import FollowedJob, Problem
from .link import Link
from .placement import Placement
from .scrub import Scrub
from .server_jobs import ServerJobs
from .surroundings import Scene, SceneError, Surroundings

if TYPE_CHECKING:
    from limbeck_protocol.client import Client
    from limbeck_protocol.events import ClientEvent
    from limbeck_protocol.job import JobSpec
    from limbeck_protocol.messages import JobLine

__all__ = ["Scene", "SceneError", "Session"]

BUSY_INTERVAL_S = 0.05
IDLE_INTERVAL_S = 0.25
UNLINKED_INTERVAL_S = 1.0
MOST_RESTS = 2
"""Ticks in a row that may only ask whether the server has something to say; the client wants a pump every second."""
SHARE_OF_TIME = 0.1
"""The most of Blender's main thread that the live mesh of a job may take."""
Change = Literal["pause", "resume", "finish"]


class Session:
    """One server connection and the jobs that are followed through it, newest first."""

    def __init__(self, scene: Scene, link: Link, downloads: Path) -> None:
        self.link = link
        self.problem: Problem | None = None
        self.note = ""
        self.server_jobs = ServerJobs()
        self.scrub = Scrub(self._report)
        self._scene = scene
        self._around = Surroundings(scene, downloads, self._report, self._note, self._most_triangles)
        self._followed: list[Following] = []
        self._selected: Following | None = None
        self._client: Client | None = None
        self._turn = self._rests = 0
        self._has_adopted = False
        self._drawn: object = None

    @property
    def jobs(self) -> tuple[FollowedJob, ...]:
        """Return all followed jobs, also those that have ended and were not removed from the list, newest first."""
        return tuple(following.job for following in self._followed)

    @property
    def selected(self) -> FollowedJob | None:
        """Return the job that the panels show."""
        return self._selected.job if self._selected is not None else None

    @property
    def job(self) -> FollowedJob | None:
        """Return the selected job if it goes on."""
        selected = self.selected
        return selected if selected is not None and selected.goes_on else None

    @property
    def other_jobs(self) -> tuple[JobLine, ...]:
        """Return the server's newest jobs that are not followed here."""
        followed = {following.job.id for following in self._followed}
        return tuple(line for line in self.server_jobs.lines if line.job not in followed)

    def pump(self, budget_s: float = 0.004) -> float:
        """Do what is to be done now; return the seconds until the next call is worth while."""
        if not self._has_adopted:
            self.adopt()
        if self._may_rest():
            return IDLE_INTERVAL_S
        events = self.link.pump(budget_s, is_wanted=self._is_wanted)
        self._notice_new_client()
        client = self.link.client
        if client is not None:
            client.limit_previews(self._preview_rate_hz)
            for event in events:
                self._handle(event, client)
            for following in reversed(self._followed):  # who was first asks first, and is first in the server's line
                following.attach(client)
            self.server_jobs.refresh(client, is_busy=self._is_wanted)
            self.scrub.refresh(client, self.selected)
            self._show_step()
        if self.link.failure is not None and not self.link.is_ready:
            for following in self._followed:
                following.stall(self.link.failure)
        self._deliver()
        self._redraw_if_changed()
        return self._interval_s

    def submit(self, spec: JobSpec, placement: Placement) -> None:
        """Follow a new job; start a server for it where none runs."""
        job = FollowedJob(spec.prompt, spec.seed, spec.recipe_name, placement, spec)
        self._add(replace(job, asked_steps=spec.steps or 0, asked_faces=spec.faces, key=wire.ids.new_ulid()))
        if self.link.client is None:
            self.link.start_server()

    def follow(self, job: FollowedJob) -> None:
        """Follow a job by its id, from a loaded file or the server's list, unless that is none: it names a file."""
        if wire.PROBLEM or any(job.id == known.id for known in self.jobs):
            return
        if wire.ids.is_ulid(job.id):
            self._add(replace(job, key=job.id, phase="waiting"))
        else:
            self.problem = Problem("The file's live mesh names no job of Limbeck's", "Delete it, or its limbeck_job")

    def adopt(self) -> None:
        """Follow the jobs that the open file knows by their live meshes."""
        self._has_adopted = True
        for job in self._scene.known_jobs():
            self.follow(job)

    def select(self, job: FollowedJob | str) -> None:
        """Show a job, or the one of this key, in the panels."""
        key = job if isinstance(job, str) else job.key
        if self._selected is not None and self._selected.job.key != key:
            self._selected.unhold()
        self._selected = next((following for following in self._followed if following.job.key == key), None)

    def forget(self) -> None:
        """Stop following without touching the jobs or the scene, because another file is about to be loaded."""
        going_on = [job for job in self.jobs if job.goes_on and job.id]
        if going_on:
            names = " ".join(job.id for job in going_on)
            self.note = f"Jobs of the last file go on; attach them again, or fetch them with: limbeck get {names}"
        for job in going_on:
            if self.link.client is not None:
                self.link.client.unwatch(job.id)
        self._followed, self._selected = [], None

    def cancel(self) -> None:
        """Cancel the selected job and no other."""
        if self._selected is not None:
            self._selected.cancel(self.link.client, is_ready=self.link.is_ready)

    def change(self, what: Change) -> None:
        """Pause, resume or finish the selected job; finish makes the asset of what there is."""
        if self._selected is not None and self.link.client is not None:
            request = getattr(self.link.client, what)(self._selected.job.id)
            self._selected.expect("change", request)

    def move_first(self) -> None:
        """Let the selected job, which waits, be the next of its priority."""
        if self._selected is not None and self.link.client is not None:
            self._selected.expect("change", self.link.client.move(self._selected.job.id, to="first"))

    def retry(self) -> None:
        """Make a new job of one that failed or was cancelled, from its newest checkpoint if it has one."""
        job, client = self.selected, self.link.client
        if job is None:
            return
        if not job.id and job.spec is not None:
            self.submit(job.spec, job.placement)
        elif client is not None:
            self._descend(client.retry(job.id, key := wire.ids.new_ulid()), heir_of(job, key))

    def fork(self, changes: Mapping[str, Any], step: int | None = None) -> None:
        """Make a new job that goes on from a checkpoint of the selected one, with other settings.

        Args:
            changes: fields of the job description as JSON values.
            step: of the checkpoint; None is the newest.
        """
        job, client = self.selected, self.link.client
        if job is None or client is None:
            return
        key = wire.ids.new_ulid()
        self._descend(client.fork(job.id, changes, step=step, key=key), fork_of(job, key, changes))

    def fetch(self) -> None:
        """Get the asset of the selected job, and import it."""
        if self._selected is not None and self.link.client is not None:
            self._selected.fetch(self.link.client)

    def toggle_mesh(self) -> None:
        """Have a live mesh of the selected job where it has none, or none where it has one."""
        if self._selected is not None and self.link.client is not None:
            self._selected.show_mesh(self.link.client, is_shown=not self._selected.job.shows_mesh)

    def dismiss(self) -> None:
        """Take the selected job off the list; its mesh stays as an ordinary object, and the server keeps the job."""
        if self._selected is None:
            return
        self._selected.leave()
        index = self._followed.index(self._selected)
        self._followed.remove(self._selected)
        self._selected = self._followed[min(index, len(self._followed) - 1)] if self._followed else None

    def close(self) -> None:
        """Leave the server; its jobs go on."""
        self._followed, self._selected = [], None
        self.link.close()

    @property
    def _is_wanted(self) -> bool:
        return any(following.job.goes_on for following in self._followed)

    @property
    def _preview_rate_hz(self) -> float:
        """Return how many live meshes a second the artist wants, or as many as leave Blender its time."""
        slowest_s = max((following.showing_s for following in self._followed if following.job.goes_on), default=0.0)
        wanted_hz = self.link.settings.live_rate_hz
        return min(wanted_hz, SHARE_OF_TIME / slowest_s) if slowest_s > 0 else wanted_hz

    @property
    def _interval_s(self) -> float:
        if self._is_wanted or self.scrub.is_loading or any(following.has_effects for following in self._followed):
            return BUSY_INTERVAL_S
        return UNLINKED_INTERVAL_S if self.link.client is None else IDLE_INTERVAL_S

    def _may_rest(self) -> bool:
        """Return whether this tick can be left out: no job, nothing to read, and not too many left out before."""
        is_idle = self._interval_s == IDLE_INTERVAL_S and self.link.may_rest
        self._rests = self._rests + 1 if is_idle and self._rests < MOST_RESTS else 0
        return self._rests > 0

    def _add(self, job: FollowedJob) -> Following:
        self.problem, self.note = None, ""
        following = Following(job, self._around)
        self._followed.insert(0, following)
        self.select(job)
        return following

    def _descend(self, request: str, heir: FollowedJob) -> None:
        self._add(heir).expect("submit", request)

    def _notice_new_client(self) -> None:
        if self.link.client is not self._client:
            self._client = self.link.client
            self.server_jobs.clear()
            self.scrub.forget_requests()
            for following in self._followed:
                following.detach()

    def _show_step(self) -> None:
        """Let the selected job's live mesh show the chosen step, or the newest mesh."""
        following, chosen, mesh = self._selected, self.scrub.chosen, self.scrub.mesh()
        if following is None:
            return
        if chosen is None:
            following.unhold()
        elif mesh is not None and following.job.held_step != chosen:
            following.hold(chosen, mesh)

    def _handle(self, event: ClientEvent, client: Client) -> None:
        if isinstance(event, wire.events.Connected | wire.events.Submitted | wire.events.JobChanged):
            self.server_jobs.ask_soon()
        if isinstance(event, wire.events.Status | wire.events.RequestFailed):
            self.server_jobs.handle(event)
        self.scrub.handle(event)
        for following in self._followed:
            following.handle(event, client)
            following.place(self.server_jobs.position_of(following.job.id))

    def _deliver(self) -> None:
        """Let the next job that has something for the scene offer it."""
        count = len(self._followed)
        for offset in range(count):
            following = self._followed[(self._turn + offset) % count]
            if following.has_effects:
                self._turn = (self._turn + offset + 1) % count
                following.deliver()
                return

    def _report(self, problem: Problem) -> None:
        self.problem = problem

    def _note(self, text: str) -> None:
        self.note = text

    def _most_triangles(self) -> int:
        return self.link.settings.live_triangles

    def _redraw_if_changed(self) -> None:
        shown = (self.link.shown, self.problem, self.note)
        shown = (*shown, self._selected, self.jobs, self.server_jobs.lines, self.scrub.steps, self.scrub.chosen)
        if shown != self._drawn:
            self._drawn = shown
            self._scene.redraw()
