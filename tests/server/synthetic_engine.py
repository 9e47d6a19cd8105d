# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine without torch whose behaviour the prompt chooses, for tests of everything around an engine."""

import errno
import hashlib
import logging
import os
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from limbeck_protocol.errors import ProtocolError
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

DEFAULT_STEPS = 6
STEP_S = float(os.environ.get("SYNTHETIC_STEP_S", "0.05"))
GRID_SIZES = {"big": 512, "huge": 1024}
"""Previews of 10 MB, which are pulled, and of 40 MB, which are refused."""


class FailOnPurposeError(Exception):
    """An error as the core raises them."""

    code = "E_DIVERGED"
    message = "the engine was asked to fail"
    remedy = "use another prompt"


def engine(job: JobSpec, folder: Path, controls: Controls) -> Generator[EngineEvent, None, None]:
    """Grow a grid step by step; words in the prompt cause trouble half-way.

    What the steps compute is a chain of hashes: the "trace" asset is its end, which no lost or repeated step survives.
    """
    began_at, steps = time.time(), job.steps or DEFAULT_STEPS
    words = set(job.prompt.split())
    done, state = load(controls.resume) if controls.resume else (0, bytes(32))
    controls.kept["jobs"] = controls.kept.get("jobs", 0) + 1
    yield EngineProgress("loading", 0, 0)
    if "loud" in words:
        for number in range(500):
            logging.getLogger("library").warning("%d \udcff %s", number, "y" * 5000)
        logging.getLogger("library").warning("%d apples", "no")
    if "warn" in words:
        yield EngineWarning("W_WORDS", "unknown words")
    for step in range(done + 1, steps + 1):
        if controls.wants_finish() and done:
            break
        if "stubborn" in words:
            time.sleep(3600)
        time.sleep(STEP_S)
        state, done = hashlib.sha256(state + job.seed.to_bytes(8, "little")).digest(), step
        if step > steps // 2:
            make_trouble(words)
        yield EngineProgress("optimising", step, steps, f"step {step}")
        yield EnginePreview(
            step, *grid(GRID_SIZES.get(next(iter(words & GRID_SIZES.keys()), ""), 4 + step % 5), height=step / steps)
        )
        if controls.wants_checkpoint(step, steps):
            yield checkpoint(step, state)
    yield EngineProgress("exporting", 0, 0)
    file = folder / f"asset.{job.format}"
    file.write_bytes(state if "trace" in words else asset_content(job))
    times = {"seconds": time.time() - began_at, "optimising_seconds": STEP_S * steps, "peak_memory_mb": 100}
    kept = {"done": done, "jobs": controls.kept["jobs"], "device": "synthetic", **times}
    yield EngineFinished(file, {"file": str(file), "format": job.format, "steps": steps, "seed": job.seed, **kept})


def checkpoint(step: int, state: bytes) -> EngineCheckpoint:
    """Return everything that the chain needs to go on."""
    ballast = np.zeros(1000 * int(os.environ.get("SYNTHETIC_CHECKPOINT_KB", "0")), np.uint8)
    tensors = {"step": np.array(step), "state": np.frombuffer(state, np.uint8), "ballast": ballast}
    return EngineCheckpoint(step, lambda: save(tensors))


def load(path: Path) -> tuple[int, bytes]:
    """Invert ``checkpoint``."""
    tensors = load_file(path)
    return int(tensors["step"]), tensors["state"].tobytes()


def trace(seed: int, steps: int) -> bytes:
    """Return what a job with "trace" in its prompt must end with."""
    state = bytes(32)
    for _ in range(steps):
        state = hashlib.sha256(state + seed.to_bytes(8, "little")).digest()
    return state


def make_trouble(words: set[str]) -> None:
    """Do what the prompt asks for."""
    if "crash" in words:
        os._exit(7)
    if "hang" in words:
        time.sleep(3600)
    if "fail" in words:
        raise FailOnPurposeError
    if "odd" in words:
        raise ProtocolError("E_SETTING_UNKNOWN", "the engine does not know a setting", "leave it out")
    if "bug" in words:
        raise ZeroDivisionError("division by zero\nin line two")
    if "full" in words:
        raise OSError(errno.ENOSPC, "No space left on device", "asset.glb")
    if "memory" in words:
        raise MemoryError


def asset_content(job: JobSpec) -> bytes:
    """Return what the job's file holds: its blobs, then megabytes that depend on the seed."""
    blobs = b"".join(reference.image.data or b"?" for reference in job.references)
    return blobs + np.random.default_rng(job.seed).bytes(2_500_000 if "large" in job.prompt else 20_000)


def grid(n: int, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return n x n vertices, their faces, and grey colours."""
    x, y = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    vertices = np.stack([x, y, height * np.cos(x * y)], -1).reshape(-1, 3).astype(np.float32)
    index = np.arange(n * n, dtype=np.uint32).reshape(n, n)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    return vertices, faces, np.full((n * n, 4), 128, np.uint8)
