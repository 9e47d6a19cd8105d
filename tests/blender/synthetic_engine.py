# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine without torch: a bird-like solid that grows a beak towards the front, in a few tenths of a second.

Run it as a server: python -m blender.synthetic_engine
"""

import json
import struct
import time
from collections.abc import Generator
from pathlib import Path

import numpy as np

from limbeck_protocol.job import JobSpec
from limbeck_server.engine import EngineEvent, EngineFinished, EnginePreview, EngineProgress

DEFAULT_STEPS = 8
STEP_S = 0.15


class FailOnPurposeError(Exception):
    """An error as the core raises them."""

    code = "E_PROMPT_UNKNOWN"
    message = "the engine was asked to fail"
    remedy = "use another prompt"


def synthetic_engine(job: JobSpec, folder: Path) -> Generator[EngineEvent, None, None]:
    """Form the bird; the prompt "fail" fails half-way."""
    steps = job.steps or DEFAULT_STEPS
    yield EngineProgress("loading", 0, 0)
    for step in range(1, steps + 1):
        time.sleep(STEP_S)
        if job.prompt == "fail" and step > steps // 2:
            raise FailOnPurposeError
        yield EngineProgress("optimising", step, steps)
        yield EnginePreview(step, *bird(rings=6 + step % 4, beak=step / steps))
    vertices, faces, colors = bird(rings=24, beak=1.0)
    yield EngineProgress("exporting", 0, 0)
    file = folder / "asset.glb"
    file.write_bytes(glb(vertices, faces, colors))
    yield EngineFinished(file, {"file": str(file), "format": "glb", "faces": len(faces), "vertices": len(vertices)})


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


def glb(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> bytes:
    """Return a GLB with one mesh, linear vertex colours, y up and the front at +Z."""
    positions = np.ascontiguousarray(vertices[:, [0, 2, 1]] * [1, 1, -1], dtype="<f4")
    srgb = colors[:, :3] / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    rgba = np.concatenate([linear, np.ones((len(linear), 1))], 1)
    buffers = [positions.tobytes(), (rgba * 65535).round().astype("<u2").tobytes(), faces.astype("<u4").tobytes()]
    offsets = np.cumsum([0] + [len(buffer) for buffer in buffers])
    low, high = positions.min(0).tolist(), positions.max(0).tolist()
    views = [{"buffer": 0, "byteOffset": int(o), "byteLength": len(b)} for o, b in zip(offsets, buffers, strict=False)]
    count = len(vertices)
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": count, "type": "VEC3", "min": low, "max": high},
        {"bufferView": 1, "componentType": 5123, "count": count, "type": "VEC4", "normalized": True},
        {"bufferView": 2, "componentType": 5125, "count": faces.size, "type": "SCALAR"},
    ]
    document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "asset"}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "COLOR_0": 1}, "indices": 2}]}],
        "buffers": [{"byteLength": int(offsets[-1])}],
        "bufferViews": views,
        "accessors": accessors,
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = b"".join(buffers)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(body), b"BIN\0") + body
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _grid_faces(sectors: int, rings: int) -> np.ndarray:
    index = np.arange(sectors * rings).reshape(sectors, rings)
    beside = np.roll(index, -1, axis=0)
    a, b, c, d = index[:, :-1].ravel(), beside[:, :-1].ravel(), beside[:, 1:].ravel(), index[:, 1:].ravel()
    return np.concatenate([np.stack([a, c, b], 1), np.stack([a, d, c], 1)]).astype(np.uint32)
