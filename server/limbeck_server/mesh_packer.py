# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How a worker sends meshes to its server: without copies, and without the faces that the server has already."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import CHUNK_BYTES, MAX_PREVIEW_BYTES, MIB
from limbeck_protocol.mesh_codec import EDGE_ARRAYS, MeshData, mesh_arrays, packed_size_bytes
from limbeck_protocol.mesh_edges import find_edges
from limbeck_server.engine import EnginePreview
from limbeck_server.worker_messages import Meshed

MAX_EDGED_BYTES = MAX_PREVIEW_BYTES - 4 * MIB
"""So that five arrays, each with a part of its own at the end, are at most as many buffers as a message may have."""
EDGE_BYTES = 8
POINTS = ("vertices", "colors")


class MeshPacker:
    """Packs the meshes of one attempt at a job; each that it returns must be sent."""

    def __init__(self) -> None:
        """Begin with a server that has no mesh of this attempt."""
        self._sent: tuple[int, NDArray[np.uint32]] | None = None
        self._has_looked_for_edges = False

    def pack(self, preview: EnginePreview, *, wants_edges: bool = False) -> tuple[Meshed, dict[str, NDArray]]:
        """Return the message and its buffers, which are views of the preview's arrays.

        Edges go with it if they are wanted and were not sent with these faces before, and if there is room for them.

        Raises:
            ProtocolError: E_MESH if the mesh is too large, or not one that a client would accept.
        """
        size = packed_size_bytes(len(preview.vertices), len(preview.faces))
        if size > MAX_PREVIEW_BYTES:
            raise ProtocolError("E_MESH", f"expected a preview of at most {MAX_PREVIEW_BYTES} bytes, got {size}")
        mesh = MeshData(preview.vertices, preview.faces, preview.colors)
        arrays = {name: array.reshape(-1).view(np.uint8) for name, array in mesh_arrays(mesh).items()}
        has_faces = not self._is_known(mesh)
        self._sent = len(mesh.vertices), mesh.faces
        has_looked = self._has_looked_for_edges and not has_faces
        edges = _edges_of(mesh) if wants_edges and not has_looked else {}
        self._has_looked_for_edges = has_looked or wants_edges
        arrays |= edges
        counts = preview.step, len(mesh.vertices), len(mesh.faces)
        checksums = _crc32(arrays, *POINTS), _crc32(arrays, "vertices", "faces", "colors") if has_faces else None
        edge_count = len(edges["edges"]) // EDGE_BYTES if edges else 0
        message = Meshed(*counts, has_faces, *checksums, edge_count)
        names = (*POINTS, *(("faces",) if has_faces else ()), *edges)
        return message, {f"{name} {start}": part for name in names for start, part in _chunks(arrays[name])}

    def _is_known(self, mesh: MeshData) -> bool:
        if self._sent is None:
            return False
        vertices, faces = self._sent
        return vertices == len(mesh.vertices) and (faces is mesh.faces or np.array_equal(faces, mesh.faces))


def _edges_of(mesh: MeshData) -> dict[str, NDArray]:
    found = find_edges(np.ascontiguousarray(mesh.faces, "<u4"))
    if found is None or packed_size_bytes(len(mesh.vertices), len(mesh.faces), len(found[0])) > MAX_EDGED_BYTES:
        return {}
    return {name: array.reshape(-1).view(np.uint8) for name, array in zip(EDGE_ARRAYS, found, strict=True)}


def _crc32(arrays: dict[str, NDArray[np.uint8]], *names: str) -> int:
    checksum = 0
    for name in names:
        checksum = zlib.crc32(arrays[name].data, checksum)
    return checksum


def _chunks(content: NDArray[np.uint8]) -> list[tuple[int, NDArray[np.uint8]]]:
    return [(start, content[start : start + CHUNK_BYTES]) for start in range(0, len(content), CHUNK_BYTES)]
