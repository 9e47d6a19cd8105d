# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The real engine: runs the core on a job and writes its asset. Importing it imports torch."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from limbeck import __version__
from limbeck.assets.contact_sheet import contact_sheet, save_image_atomically
from limbeck.assets.export import write_asset
from limbeck.assets.turntable import save_turntable
from limbeck.controls import Controls as RunControls
from limbeck.devices import choose_device
from limbeck.errors import LimbeckError
from limbeck.events import Checkpoint, Event, Finished, Preview, Progress, Warned
from limbeck.generate import GenerationSettings, generate
from limbeck.shelf import Shelf
from limbeck_protocol.job import JobSpec
from limbeck_server.engine import (
    Controls,
    EngineCheckpoint,
    EngineEvent,
    EngineFinished,
    EnginePreview,
    EngineProgress,
    EngineWarning,
)
from limbeck_server.memory import peak_memory_mb
from limbeck_server.plan import plan
from limbeck_server.quiet import quiet_libraries

SUFFIXES = {"glb": ".glb", "obj": ".obj", "ply": ".ply", "splats": ".ply"}


@dataclass(frozen=True)
class Pictures:
    """Where to draw the finished asset, if anywhere: from eight sides, and turning."""

    contact_sheet: Path | None = None
    turntable: Path | None = None


@dataclass
class Times:
    """When things happened in a run, in Unix seconds; ``optimising_s`` is how long its steps took in all."""

    started_at: float
    first_preview_at: float | None = None
    optimising_s: float = 0.0
    _stage: str = ""
    _noted_at: float = 0.0

    def note(self, stage: str) -> None:
        """Take a sign of progress."""
        now = time.time()
        if self._stage == stage == "optimising":
            self.optimising_s += now - self._noted_at
        self._stage, self._noted_at = stage, now

    def since_start(self, at: float | None) -> float | None:
        """Return how many seconds after the start something happened, if it did."""
        return None if at is None else round(at - self.started_at, 2)


def core_engine(job: JobSpec, folder: Path, controls: Controls) -> Generator[EngineEvent, None, None]:
    """Run a job of the server; the asset lands in ``folder``, as one file: a textured OBJ packed."""
    suffix = ".zip" if job.format == "obj" and job.texture_size else SUFFIXES[job.format]
    yield from run(job, folder / f"asset{suffix}", started_at=time.time(), controls=controls)


def run(
    job: JobSpec,
    output: Path,
    *,
    started_at: float,
    pictures: Pictures = Pictures(),
    controls: Controls | None = None,
) -> Generator[EngineEvent, None, None]:
    """Run a job in this process and write its asset to ``output``.

    Args:
        job: what to make.
        output: the asset's file, replaced atomically.
        pictures: what to draw beside it.
        started_at: since when ``seconds`` count, as ``time.time()``.
        controls: what is wanted besides; its ``kept`` holds the models from one job to the next.

    Raises:
        LimbeckError: whatever ``plan``, ``generate`` and ``write_asset`` raise.
    """
    quiet_libraries()
    settings = plan(job)
    times = Times(started_at)
    with closing(_begin(settings, controls or Controls())) as events:
        for event in events:
            match event:
                case Progress():
                    times.note(event.stage)
                    yield EngineProgress(event.stage, event.step, event.steps, event.message)
                case Warned():
                    yield EngineWarning(event.code, event.message)
                case Preview():
                    times.first_preview_at = times.first_preview_at or time.time()
                    yield _preview(event)
                case Checkpoint():
                    yield _checkpoint(event)
                case Finished():
                    yield EngineProgress("exporting", 0, 0, output.name)
                    write_asset(output, event.asset.mesh, event.asset.cloud, event.asset.metadata, job.format)
                    _draw(event, pictures)
                    yield EngineFinished(output, _summary(job, settings, event, output, times))


def _begin(settings: GenerationSettings, controls: Controls) -> Generator[Event, None, None]:
    """Begin the run, or go on with it, with the models that are still loaded."""
    resume = None if controls.resume is None else _read_checkpoint(controls.resume)
    shelf = controls.kept.setdefault("shelf", Shelf())
    return generate(
        settings, resume, RunControls(controls.wants_checkpoint, controls.wants_finish, shelf, controls.wants_preview)
    )


def _checkpoint(event: Checkpoint) -> EngineCheckpoint:
    """Return a checkpoint; its tensors are copies on the host, so that they can be written while the run goes on."""
    tensors = dict(event.tensors)
    notes = {"limbeck": __version__, "torch": torch.__version__}
    return EngineCheckpoint(event.step, lambda: safetensors.torch.save(tensors), notes)


def _read_checkpoint(path: Path) -> Checkpoint:
    try:
        tensors = safetensors.torch.load_file(path)
        return Checkpoint(int(tensors["step"]), tensors)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        message = f"cannot read the checkpoint {path.name}: {error}"
        raise LimbeckError("E_CHECKPOINT_DAMAGED", message, "start over: limbeck retry JOB --from-start") from error


def _draw(event: Finished, pictures: Pictures) -> None:
    if pictures.contact_sheet is not None:
        save_image_atomically(contact_sheet(event.asset.mesh), pictures.contact_sheet)
    if pictures.turntable is not None:
        save_turntable(event.asset.mesh, pictures.turntable)


def _preview(event: Preview) -> EnginePreview:
    mesh = event.mesh
    return EnginePreview(event.step, mesh.vertices, mesh.faces.astype(np.uint32), mesh.colors_srgb)


def _summary(
    job: JobSpec,
    settings: GenerationSettings,
    event: Finished,
    output: Path,
    times: Times,
) -> dict[str, Any]:
    """Return the JSON object of ``limbeck generate`` (docs/commands.md)."""
    return {
        "file": str(output),
        "format": job.format,
        "seconds": round(time.time() - times.started_at, 2),
        "first_preview_seconds": times.since_start(times.first_preview_at),
        "optimising_seconds": round(times.optimising_s, 2),
        "steps": settings.recipe.steps,
        "faces": len(event.asset.mesh.faces),
        "vertices": len(event.asset.mesh.vertices),
        "seed": settings.seed,
        "recipe": settings.recipe.name,
        "prior": settings.prior,
        "device": choose_device(settings.device).type,
        "peak_memory_mb": round(peak_memory_mb()),
    }
