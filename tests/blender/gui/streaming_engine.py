# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine that streams meshes of a size that the prompt names: "100000 triangles" or "100000 triangles, remeshed"."""

import math
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

from blender.synthetic_engine import bird
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh
from limbeck_protocol.job import JobSpec
from limbeck_server.engine import Controls, EngineEvent, EngineFinished, EnginePreview, EngineProgress

STEP_S = 0.25


def streaming_engine(job: JobSpec, folder: Path, controls: Controls) -> Generator[EngineEvent, None, None]:
    """Let a bird's size swing; a remeshed one has its triangles in another order at every step."""
    steps, rings = job.steps or 40, round(math.sqrt(int(job.prompt.split()[0]) / 4))
    vertices, faces, colors = bird(rings, beak=1.0)
    for step in range(1, steps + 1):
        time.sleep(STEP_S)
        yield EngineProgress("optimising", step, steps)
        order = np.roll(faces, step, axis=0) if job.prompt.endswith("remeshed") else faces
        yield EnginePreview(step, vertices * np.float32(1 + 0.1 * math.sin(step)), order, colors)
        if controls.wants_finish():
            break
    file = folder / "asset.glb"
    write_glb(file, Mesh(*bird(8, beak=1.0)), metadata={"prompt": job.prompt})
    yield EngineFinished(file, {"file": str(file), "format": "glb", "faces": 0, "vertices": 0})
