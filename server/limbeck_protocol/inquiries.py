# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The client's questions: requests that change nothing on the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from limbeck_protocol import job_messages as j
from limbeck_protocol.events import Busyness, Checkpoints, ClientEvent, Estimate, LogText, Status
from limbeck_protocol.frames import Packet
from limbeck_protocol.messages import StatusReply, StatusRequest


class Inquiries(ABC):
    """The part of a client that only asks; each method returns the request's id at once, and leads to one event."""

    @abstractmethod
    def ask(self, question: object, event: Callable[[str, Any, Packet], ClientEvent], expected: type) -> str:
        """Ask a question whose answer is one message, and return the request's id.

        Args:
            question: the request.
            event: makes the event from the request's id, the answer and its packet.
            expected: the answer's type.
        """

    @abstractmethod
    def fetch_mesh(self, job_id: str, step: int) -> str:
        """Download the mesh that a job had at a step, as ``checkpoints`` lists them. Leads to StepMesh.

        At most 30 MiB travel; a mesh that is not what was announced leads to RequestFailed.
        """

    def status(self, job_id: str | None = None) -> str:
        """Ask for the server's state and its newest jobs, or one job. Leads to Status."""

        def status(request: str, answer: StatusReply, _packet: Packet) -> Status:
            return Status(request, answer.server, answer.jobs)

        return self.ask(StatusRequest(job_id), status, StatusReply)

    def top(self) -> str:
        """Ask what the server is doing. Leads to Busyness."""

        def busyness(request: str, answer: j.TopReply, _packet: Packet) -> Busyness:
            return Busyness(request, answer.server, answer.workers, answer.queue, answer.waiting, answer.clients)

        return self.ask(j.Top(), busyness, j.TopReply)

    def log(self, job_id: str) -> str:
        """Ask for a job's log. Leads to LogText."""

        def text(request: str, answer: j.JobLogReply, packet: Packet) -> LogText:
            lines = packet.arrays.get("text")
            content = b"" if lines is None else lines.tobytes()
            return LogText(request, answer.job, content.decode("utf-8", "replace"))

        return self.ask(j.JobLog(job_id), text, j.JobLogReply)

    def checkpoints(self, job_id: str) -> str:
        """Ask which steps of a job can be looked at and forked from. Leads to Checkpoints."""

        def checkpoints(request: str, answer: j.JobCheckpointsReply, _packet: Packet) -> Checkpoints:
            return Checkpoints(request, answer.job, answer.checkpoints)

        return self.ask(j.JobCheckpoints(job_id), checkpoints, j.JobCheckpointsReply)

    def estimate(
        self,
        recipe: str,
        *,
        prior: str = "embedded",
        steps: int | None = None,
        device: str = "auto",
        faces: int | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> str:
        """Ask what a job would take, by this server's finished jobs and by its plan. Leads to Estimate.

        Args:
            recipe: its name.
            prior: as in the job description.
            steps: None is the recipe's own number.
            device: as in the job description.
            faces: None is any.
            overrides: settings as in the job description; jobs with the same ones count first.
        """

        def estimate(request: str, answer: j.JobEstimateReply, _packet: Packet) -> Estimate:
            known = (answer.seconds, answer.memory_mb, answer.from_jobs, answer.device, answer.steps, answer.is_exact)
            plan = (answer.planned_seconds, answer.planned_memory_mb, answer.planned_profile, answer.planned_refusal)
            return Estimate(request, *known, *plan, answer.is_planning)

        question = j.JobEstimate(recipe, prior, steps, device, faces, dict(overrides or {}))
        return self.ask(question, estimate, j.JobEstimateReply)
