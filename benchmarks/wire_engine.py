# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine that does nothing but show meshes, 20 a second, of the size that the prompt asks for ("2 MB")."""

import math
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

from limbeck_protocol.job import JobSpec
from limbeck_server.engine import Controls, EngineEvent, EngineFinished, EnginePreview, EngineProgress

RATE_HZ = 20.0
BYTES_A_VERTEX = 16 + 2 * 12
"""Position, colour, and two faces for each vertex."""


def engine(job: JobSpec, folder: Path, _controls: Controls) -> Generator[EngineEvent, None, None]:
    """Show a moving grid; the first vertex says when it was made."""
    megabytes, seconds = float(job.prompt.split()[0]), float(job.negative_prompt or 5)
    n = max(2, round(math.sqrt(megabytes * 1e6 / BYTES_A_VERTEX)))
    vertices, faces, colors = grid(n)
    steps, step, started = round(seconds * RATE_HZ), 0, time.monotonic()
    for step in range(1, steps + 1):
        time.sleep(max(0.0, started + step / RATE_HZ - time.monotonic()))
        if time.monotonic() - started > seconds:
            break
        moved = vertices.copy()
        moved[1:, 2] = np.float32(step / steps)
        moved[0] = stamp()
        yield EngineProgress("optimising", step, steps)
        yield EnginePreview(step, moved, faces, colors)
    file = folder / "asset.glb"
    file.write_bytes(b"x")
    yield EngineFinished(file, {"made": step})


def grid(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n x n vertices, their faces, and grey colours."""
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    vertices = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3).astype(np.float32)
    index = np.arange(n * n, dtype=np.uint32).reshape(n, n)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return vertices, faces, np.full((n * n, 4), 128, np.uint8)


def stamp() -> tuple[float, float, float]:
    """Return the time as three numbers that float32 holds exactly to a tenth of a millisecond."""
    ticks = round(time.time() * 10_000)
    return float(ticks >> 36 & 0xFFF), float(ticks >> 18 & 0x3FFFF), float(ticks & 0x3FFFF)


def age_s(vertex: np.ndarray) -> float:
    """Return how long ago a first vertex was stamped."""
    high, middle, low = (int(value) for value in vertex)
    now = round(time.time() * 10_000) & (1 << 48) - 1
    return (now - (high << 36 | middle << 18 | low)) / 10_000
