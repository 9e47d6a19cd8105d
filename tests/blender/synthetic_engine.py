# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine without torch: a bird-like solid that grows a beak towards the front, in a few tenths of a second.

SERVE is the command that runs a server with it.
"""

import sys
import time
from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh
from limbeck_protocol.job import JobSpec
from limbeck_server.engine import (
    Controls,
    EngineCheckpoint,
    EngineEvent,
    EngineFinished,
    EnginePreview,
    EngineProgress,
)

SERVE = (sys.executable, "-m", "limbeck_server", "serve", "--engine", "blender.synthetic_engine:synthetic_engine")
DEFAULT_STEPS = 8
STEP_S = 0.15


class FailOnPurposeError(Exception):
    """An error as the core raises them."""

    code = "E_PROMPT_UNKNOWN"
    message = "the engine was asked to fail"
    remedy = "use another prompt"


def synthetic_engine(job: JobSpec, folder: Path, controls: Controls) -> Generator[EngineEvent, None, None]:
    """Form the bird; the prompt "fail" fails half-way."""
    steps = job.steps or DEFAULT_STEPS
    yield EngineProgress("loading", 0, 0)
    done = int(load_file(controls.resume)["step"]) if controls.resume else 0
    for step in range(done + 1, steps + 1):
        time.sleep(STEP_S)
        if job.prompt == "fail" and step > steps // 2:
            raise FailOnPurposeError
        yield EngineProgress("optimising", step, steps)
        yield EnginePreview(step, *bird(rings=6 + step % 4, beak=step / steps))
        if controls.wants_checkpoint(step, steps):
            yield EngineCheckpoint(step, partial(save, {"step": np.array(step)}))
        if controls.wants_finish():
            break
    vertices, faces, colors = bird(rings=24, beak=1.0)
    yield EngineProgress("exporting", 0, 0)
    file = folder / "asset.glb"
    write_glb(file, Mesh(vertices, faces.astype(np.int32), colors), metadata={"prompt": job.prompt})
    summary = {"file": str(file), "format": "glb", "faces": len(faces), "vertices": len(vertices), "seed": job.seed}
    seconds = round(steps * STEP_S, 2)
    measured = {"steps": steps, "seconds": seconds, "optimising_seconds": seconds, "peak_memory_mb": 100.0}
    yield EngineFinished(file, {**summary, **measured, "device": "cpu"})


def bird(rings: int, beak: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices, faces and colours: blue back, white belly, an orange beak towards -Y, z up."""
    sectors = 2 * rings
    azimuth, polar = np.meshgrid(
        np.linspace(0, 2 * np.pi, sectors, endpoint=False), np.linspace(1e-3, np.pi - 1e-3, rings), indexing="ij"
    )
    direction = np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], -1)
    nose = np.exp(-30 * (1 - direction @ np.array([0, -np.cos(0.5), np.sin(0.5)])))
    radius = 0.5 * (1 + 0.9 * beak * nose)
    vertices = (direction * radius[..., None] * [0.8, 0.8, 1.2]).reshape(-1, 3)
    nose, front = nose.ravel(), -direction[..., 1].ravel()
    colors = np.where(front[:, None] > 0.5, [240, 240, 240, 255], [30, 60, 200, 255])
    colors = np.where(nose[:, None] > 0.3, [250, 140, 20, 255], colors)
    return vertices.astype(np.float32), _grid_faces(sectors, rings), colors.astype(np.uint8)


def _grid_faces(sectors: int, rings: int) -> np.ndarray:
    index = np.arange(sectors * rings).reshape(sectors, rings)
    beside = np.roll(index, -1, axis=0)
    a, b, c, d = index[:, :-1].ravel(), beside[:, :-1].ravel(), beside[:, 1:].ravel(), index[:, 1:].ravel()
    return np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)]).astype(np.uint32)
