# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""In the worker: which steps of a run are milestones, and the files that their meshes are kept in."""

from __future__ import annotations

import hashlib
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MAX_PREVIEW_BYTES
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, pack_mesh, packed_size_bytes
from limbeck_protocol.mesh_edges import find_edges
from limbeck_server.engine import EnginePreview
from limbeck_server.files import write_atomically
from limbeck_server.worker_messages import MeshFile


class Milestones:
    """The milestones of one attempt at a job: ``count`` of them, evenly spread over the steps of the whole job."""

    def __init__(self, count: int) -> None:
        """Begin before the attempt's first step."""
        self._count = count
        self._passed: int | None = None
        self._decided = (0, 0)

    def at(self, step: int, steps: int, *, can_write: bool) -> int:
        """Return the number of the milestone at a step, from 1 on, or 0.

        It answers the same however often it is asked about a step. What cannot be written is put off to the next step.
        """
        if self._decided[0] != step and steps > 0:
            number = self._number(step, steps)
            passed = self._number(step - 1, steps) if self._passed is None else self._passed
            is_one = number > passed and can_write
            self._passed = number if is_one else passed
            self._decided = (step, number if is_one else 0)
        return self.of(step)

    def of(self, step: int) -> int:
        """Return what ``at`` has decided about a step."""
        return self._decided[1] if self._decided[0] == step else 0

    def _number(self, step: int, steps: int) -> int:
        return step * self._count // steps


def write_mesh(folder: Path, preview: EnginePreview) -> MeshFile:
    """Write a mesh with its edges, or without them if it is too large for that, and return what the server should know.

    Raises:
        ProtocolError: E_MESH if it is too large, or not one that a client would accept; E_DISK_FULL or E_FILE.
    """
    mesh = MeshData(preview.vertices, preview.faces, preview.colors)
    arrays = mesh_arrays(mesh)  # checks them
    found = find_edges(arrays["faces"])
    counts = len(mesh.vertices), len(mesh.faces)
    if found is not None and packed_size_bytes(*counts, len(found[0])) <= MAX_PREVIEW_BYTES:
        mesh = MeshData(mesh.vertices, mesh.faces, mesh.colors, *found)
    elif packed_size_bytes(*counts) > MAX_PREVIEW_BYTES:
        size = packed_size_bytes(*counts)
        raise ProtocolError("E_MESH", f"expected a mesh of at most {MAX_PREVIEW_BYTES} bytes, got {size}")
    packed, content = pack_mesh(mesh)
    path = folder / f"mesh-{preview.step}.bin"
    write_atomically(path, content)
    return MeshFile(path.name, len(content), hashlib.sha256(content).hexdigest(), **packed)
