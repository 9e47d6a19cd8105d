# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A run's checkpoints as the worker writes them, in a thread beside the engine, whole or not at all; and reads them.

Each is a safetensors file with a JSON file beside it, for people and for whoever finds them without the database.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.strict_json import dump_json
from limbeck_server.engine import EngineCheckpoint, EnginePreview
from limbeck_server.failures import failure_of
from limbeck_server.files import write_atomically
from limbeck_server.milestones import Milestones, write_mesh
from limbeck_server.worker_messages import Checkpointed, MeshFile, ResumeFile

SCHEMA = 1
MAX_WAITING = 2
"""Checkpoints that may wait for a slow disk when a milestone is due; beyond it the milestone comes some steps later."""
LAST_STEP_WORTH_S = 5.0
"""The last step is worth a checkpoint if its predecessor is older: what follows it can fail too."""


@dataclass(frozen=True)
class Saved:
    """What became of a checkpoint: where it is, or why it is not, or why its mesh is not."""

    checkpoint: Checkpointed | None
    error: ProtocolError | None = None


@dataclass(frozen=True)
class Task:
    """A checkpoint to be written, with what ``Checkpointed`` says of it."""

    checkpoint: EngineCheckpoint
    seconds: float
    milestone: int
    preview: EnginePreview | None


def write_checkpoint(folder: Path, checkpoint: EngineCheckpoint, notes: dict[str, Any]) -> Checkpointed:
    """Write both files and return what the server should know of them.

    Raises:
        ProtocolError: E_DISK_FULL or E_FILE; no file is left then that could be taken for a checkpoint.
    """
    content = checkpoint.encode()
    path = folder / f"checkpoint-{checkpoint.step}.safetensors"
    sha256 = hashlib.sha256(content).hexdigest()
    beside = {"schema": SCHEMA, "step": checkpoint.step, "sha256": sha256, "size_bytes": len(content)}
    write_atomically(path.with_suffix(".json"), dump_json(beside | notes | checkpoint.notes))
    write_atomically(path, content)
    return Checkpointed(path.name, checkpoint.step, len(content), sha256)


def first_whole(files: Sequence[ResumeFile]) -> tuple[ResumeFile | None, list[str]]:
    """Return the first file whose content is what its hash says, and what is wrong with those before it."""
    problems = []
    for file in files:
        try:
            with Path(file.path).open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            problems.append(f"the checkpoint of step {file.step} cannot be read ({error.strerror})")
            continue
        if found == file.sha256:
            return file, problems
        problems.append(f"the checkpoint of step {file.step} is damaged")
    return None, problems


@dataclass(frozen=True)
class Pace:
    """When checkpoints are due: every ``interval_s`` seconds, and ``milestones`` times evenly over all steps."""

    interval_s: float
    milestones: int = 0


class CheckpointWriter:
    """Writes an attempt's checkpoints in a thread of its own; ``tell`` hears of each, in that thread."""

    def __init__(
        self,
        folder: Path,
        notes: dict[str, Any],
        pace: Pace,
        tell: Callable[[Saved], None],
        spent_s: float = 0.0,
        deliver: Callable[[Sequence[str]], None] = lambda _files: None,
    ) -> None:
        """Start the thread.

        Args:
            folder: where to write.
            notes: what to add to every JSON file.
            pace: when a checkpoint is due.
            tell: called with every outcome.
            spent_s: how long the job had run before this attempt.
            deliver: takes the files to the server; what it raises is the outcome.
        """
        self._folder = folder
        self._notes = notes
        self._interval_s = pace.interval_s
        self._milestones = Milestones(pace.milestones)
        self._tell = tell
        self._deliver = deliver
        self._began_at = time.monotonic() - spent_s
        self._due_at = time.monotonic() + self._interval_s
        self._asked = False
        self._waiting: queue.Queue[Task | None] = queue.Queue()
        self._last: Saved | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Let a checkpoint be due at the next step."""
        self._asked = True

    def is_due(self, step: int, steps: int) -> bool:
        """Say whether a checkpoint of this step should be written."""
        left_s = self._due_at - time.monotonic()
        is_last = step == steps and left_s < self._interval_s - LAST_STEP_WORTH_S
        is_milestone = self.is_milestone(step, steps)
        return self._asked or is_milestone or ((left_s <= 0 or is_last) and self._is_idle)

    def is_milestone(self, step: int, steps: int) -> bool:
        """Say whether the checkpoint of this step is to be kept, with its mesh."""
        can_write = step == steps or self._waiting.unfinished_tasks <= MAX_WAITING
        return self._milestones.at(step, steps, can_write=can_write) > 0

    def take(self, checkpoint: EngineCheckpoint, preview: EnginePreview | None = None) -> None:
        """Write a checkpoint, soon; ``preview`` is the newest there is, which may be of an earlier step."""
        now = time.monotonic()
        self._asked = False
        self._due_at = now + self._interval_s
        milestone = self._milestones.of(checkpoint.step)
        is_of_step = milestone > 0 and preview is not None and preview.step == checkpoint.step
        self._waiting.put(Task(checkpoint, now - self._began_at, milestone, preview if is_of_step else None))

    def flush(self) -> Saved | None:
        """Wait until everything is written, and return what became of the last one."""
        self._waiting.join()
        return self._last

    def close(self) -> None:
        """Finish, and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    @property
    def _is_idle(self) -> bool:
        """Whether nothing waits to be written: a slow disk gets fewer checkpoints, not a queue."""
        return self._waiting.unfinished_tasks == 0

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            self._last = self._write(task)
            self._tell(self._last)
            self._waiting.task_done()

    def _write(self, task: Task) -> Saved:
        try:
            mesh, mesh_error = self._write_mesh(task.preview)
            written = write_checkpoint(self._folder, task.checkpoint, self._notes)
            beside = Path(written.file).with_suffix(".json").name
            self._deliver((beside, *([mesh.file] if mesh else []), written.file))
            return Saved(replace(written, seconds=task.seconds, milestone=task.milestone, mesh=mesh), mesh_error)
        except Exception as error:  # noqa: BLE001 - the engine's encoder is not ours; the run goes on without it
            return Saved(None, _typed(error))

    def _write_mesh(self, preview: EnginePreview | None) -> tuple[MeshFile | None, ProtocolError | None]:
        try:
            return (None if preview is None else write_mesh(self._folder, preview)), None
        except Exception as error:  # noqa: BLE001 - nor are its meshes; the checkpoint is worth more
            return None, _typed(error)


def _typed(error: Exception) -> ProtocolError:
    if isinstance(error, ProtocolError):
        return error
    failure = failure_of(error)
    return ProtocolError(failure.code, failure.message, failure.remedy)
