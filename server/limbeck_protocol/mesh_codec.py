# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes on the wire: three raw little-endian arrays, checked before anyone sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MAX_MESH_FACES, MAX_MESH_VERTICES

ARRAYS = {"vertices": ("<f4", 3), "faces": ("<u4", 3), "colors": ("|u1", 4)}
"""Name to (dtype, columns), in the order in which the arrays follow one another in a blob."""


@dataclass(frozen=True)
class MeshData:
    """A triangle mesh in Limbeck's world (right-handed, z up, front faces -Y); faces counter-clockwise from outside.

    Attributes:
        vertices: float32 [V, 3], finite.
        faces: uint32 [F, 3], every index below V.
        colors: uint8 [V, 4], sRGB with alpha, one per vertex.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.uint32]
    colors: NDArray[np.uint8]


def mesh_arrays(mesh: MeshData) -> dict[str, NDArray]:
    """Return the mesh's arrays as they go on the wire: little-endian and C-contiguous.

    Raises:
        ProtocolError: E_MESH if the mesh is not one that a client would accept.
    """
    arrays = {name: np.ascontiguousarray(getattr(mesh, name), dtype) for name, (dtype, _) in ARRAYS.items()}
    mesh_from_arrays(arrays)
    return arrays


def mesh_from_arrays(arrays: Mapping[str, NDArray]) -> MeshData:
    """Check three arrays that a peer sent and return them as a mesh.

    Raises:
        ProtocolError: E_MESH if an array is missing, of the wrong type or shape, too large, not finite or out of range.
    """
    for name, (dtype, columns) in ARRAYS.items():
        _check_array(name, arrays.get(name), np.dtype(dtype), columns)
    vertices, faces, colors = arrays["vertices"], arrays["faces"], arrays["colors"]
    if len(vertices) > MAX_MESH_VERTICES or len(faces) > MAX_MESH_FACES:
        raise _mesh_error(f"expected at most {MAX_MESH_VERTICES} vertices, got {len(vertices)} and {len(faces)} faces")
    if len(colors) != len(vertices):
        raise _mesh_error(f"expected one colour per vertex, got {len(colors)} for {len(vertices)} vertices")
    if not np.isfinite(vertices).all():
        raise _mesh_error("expected finite vertices, got NaN or infinity")
    if faces.size and int(faces.max()) >= len(vertices):
        raise _mesh_error(f"expected face indices below {len(vertices)}, got {int(faces.max())}")
    return MeshData(vertices, faces, colors)


def pack_mesh(mesh: MeshData) -> tuple[dict[str, int], bytes]:
    """Return the counts {"vertices": V, "faces": F} and the three arrays back to back in one blob."""
    arrays = mesh_arrays(mesh)
    counts = {"vertices": len(mesh.vertices), "faces": len(mesh.faces)}
    return counts, b"".join(array.tobytes() for array in arrays.values())


def packed_size_bytes(vertices: int, faces: int) -> int:
    """Return the size of the blob that ``pack_mesh`` makes of so many vertices and faces."""
    return vertices * (12 + 4) + faces * 12


def unpack_update(vertices: int, faces: NDArray[np.uint32], blob: bytes | bytearray | memoryview) -> MeshData:
    """Return the mesh of faces that are at hand and a blob of vertices and colours alone, without copying it.

    Raises:
        ProtocolError: E_MESH if the blob's size or content is wrong, or the faces are another mesh's.
    """
    if not 0 <= vertices <= MAX_MESH_VERTICES or len(blob) != packed_size_bytes(vertices, 0):
        raise _mesh_error(f"expected {packed_size_bytes(vertices, 0)} bytes of vertices and colours, got {len(blob)}")
    return mesh_from_arrays(
        {
            "vertices": np.frombuffer(blob, "<f4", vertices * 3).reshape(vertices, 3),
            "faces": faces,
            "colors": np.frombuffer(blob, "|u1", vertices * 4, vertices * 12).reshape(vertices, 4),
        }
    )


def unpack_mesh(vertices: int, faces: int, blob: bytes | bytearray | memoryview) -> MeshData:
    """Return the mesh in a blob made by ``pack_mesh``, without copying it.

    Raises:
        ProtocolError: E_MESH if the blob's size or content is wrong.
    """
    if not (0 <= vertices <= MAX_MESH_VERTICES and 0 <= faces <= MAX_MESH_FACES):
        raise _mesh_error(f"expected at most {MAX_MESH_VERTICES} vertices, got {vertices} and {faces} faces")
    if len(blob) != packed_size_bytes(vertices, faces):
        raise _mesh_error(f"expected {packed_size_bytes(vertices, faces)} bytes of mesh, got {len(blob)}")
    faces_start, colors_start = vertices * 12, (vertices + faces) * 12
    return mesh_from_arrays(
        {
            "vertices": np.frombuffer(blob, "<f4", vertices * 3).reshape(vertices, 3),
            "faces": np.frombuffer(blob, "<u4", faces * 3, faces_start).reshape(faces, 3),
            "colors": np.frombuffer(blob, "|u1", vertices * 4, colors_start).reshape(vertices, 4),
        }
    )


def _check_array(name: str, array: NDArray | None, dtype: np.dtype, columns: int) -> None:
    if array is None:
        raise _mesh_error(f"expected an array called {name}, got none")
    if array.dtype != dtype or array.ndim != 2 or array.shape[1] != columns:
        raise _mesh_error(f"expected {name} {dtype.str} [N, {columns}], got {array.dtype.str} {list(array.shape)}")


def _mesh_error(message: str) -> ProtocolError:
    return ProtocolError("E_MESH", message, "update the server; a preview it sent is damaged", field="mesh")
