# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a worker runs: an engine turns a job into events. Tests bring their own; the real one is core_engine.py."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.job import JobSpec

STAGES = ("loading", "compiling", "optimising", "extracting", "exporting")


@dataclass(frozen=True)
class EngineProgress:
    """Where the job is; ``stage`` is one of STAGES, ``step`` counts up to ``steps`` (0 when not known)."""

    stage: str
    step: int
    steps: int
    message: str = ""


@dataclass(frozen=True)
class EnginePreview:
    """The mesh as it is: vertices float32 [V, 3] in the world frame, faces uint32 [F, 3], colors sRGB uint8 [V, 4]."""

    step: int
    vertices: NDArray[np.float32]
    faces: NDArray[np.uint32]
    colors: NDArray[np.uint8]


@dataclass(frozen=True)
class EngineWarning:
    """Something the user should know while the job goes on."""

    code: str
    message: str


@dataclass(frozen=True)
class EngineCheckpoint:
    """Everything needed to go on from ``step``.

    Attributes:
        step: finished steps.
        encode: returns a safetensors file's content; called in another thread, while the engine goes on.
        notes: what else goes into the JSON beside the file, such as library versions.
    """

    step: int
    encode: Callable[[], bytes]
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineFinished:
    """The last event: the asset's file in the job's folder, and what ``limbeck generate --json`` prints."""

    file: Path
    summary: dict[str, Any]


EngineEvent = EngineProgress | EnginePreview | EngineWarning | EngineCheckpoint | EngineFinished


def _never(_step: int, _steps: int) -> bool:
    return False


def _not_yet() -> bool:
    return False


@dataclass(frozen=True)
class Controls:
    """What is wanted of a run besides its job.

    Attributes:
        resume: a file that an EngineCheckpoint of this job made, to go on from.
        wants_checkpoint: asked after every step, with the steps done and the steps of all; if true, the next event is
            an EngineCheckpoint.
        wants_finish: asked after every step; if true, optimisation ends there.
        kept: the engine's own, from one job of a worker to the next, such as weights.
        wants_preview: asked after every step before ``wants_checkpoint``; if true, an EnginePreview of that step comes
            next, unless there is nothing to see, and before the step's EngineCheckpoint.
    """

    resume: Path | None = None
    wants_checkpoint: Callable[[int, int], bool] = _never
    wants_finish: Callable[[], bool] = _not_yet
    kept: dict[str, Any] = field(default_factory=dict)
    wants_preview: Callable[[int, int], bool] = _never


Engine = Callable[[JobSpec, Path, Controls], Generator[EngineEvent, None, None]]
"""Takes the job, whose blobs hold their data, and an empty folder of its own; cancelling closes the generator.

It raises errors with .code, .message and .remedy, such as limbeck.errors.LimbeckError; any other exception is a bug.
Arrays that it yields must not change afterwards.
"""
