# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How a worker sends meshes to its server: without copies, and without the faces that the server has already."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import CHUNK_BYTES, MAX_PREVIEW_BYTES
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, packed_size_bytes
from limbeck_server.engine import EnginePreview
from limbeck_server.worker_messages import Meshed


class MeshPacker:
    """Packs the meshes of one attempt at a job; each that it returns must be sent."""

    def __init__(self) -> None:
        """Begin with a server that has no mesh of this attempt."""
        self._sent: tuple[int, NDArray[np.uint32]] | None = None

    def pack(self, preview: EnginePreview) -> tuple[Meshed, dict[str, NDArray]]:
        """Return the message and its buffers, which are views of the preview's arrays.

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
        counts = preview.step, len(mesh.vertices), len(mesh.faces)
        whole_crc32 = _crc32(arrays, "vertices", "faces", "colors") if has_faces else None
        message = Meshed(*counts, has_faces, _crc32(arrays, "vertices", "colors"), whole_crc32)
        names = ("vertices", "colors", "faces") if has_faces else ("vertices", "colors")
        return message, {f"{name} {start}": part for name in names for start, part in _chunks(arrays[name])}

    def _is_known(self, mesh: MeshData) -> bool:
        if self._sent is None:
            return False
        vertices, faces = self._sent
        return vertices == len(mesh.vertices) and (faces is mesh.faces or np.array_equal(faces, mesh.faces))


def _crc32(arrays: dict[str, NDArray[np.uint8]], *names: str) -> int:
    checksum = 0
    for name in names:
        checksum = zlib.crc32(arrays[name].data, checksum)
    return checksum


def _chunks(content: NDArray[np.uint8]) -> list[tuple[int, NDArray[np.uint8]]]:
    return [(start, content[start : start + CHUNK_BYTES]) for start in range(0, len(content), CHUNK_BYTES)]
