# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes on the wire: three raw little-endian arrays, or five with edges, checked before anyone sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MAX_MESH_FACES, MAX_MESH_VERTICES
from limbeck_protocol.mesh_edges import edges_error, require_edges

ARRAYS = {"vertices": ("<f4", 3), "faces": ("<u4", 3), "colors": ("|u1", 4)}
"""Name to (dtype, columns), in the order in which the arrays follow one another in a blob."""
EDGE_ARRAYS = ("edges", "corner_edges")
"""Two more <u4 arrays, [E, 2] and [3F], after those where a mesh has edges."""


@dataclass(frozen=True)
class MeshData:
    """A triangle mesh in Limbeck's world (right-handed, z up, front faces -Y); faces counter-clockwise from outside.

    Attributes:
        vertices: float32 [V, 3], finite.
        faces: uint32 [F, 3], every index below V.
        colors: uint8 [V, 4], sRGB with alpha, one per vertex.
        edges: uint32 [E, 2], each once, the lower vertex first, in rising order; None where nobody asked for them.
        corner_edges: uint32 [3F], for each corner the edge from its vertex to the next corner's; None with ``edges``.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.uint32]
    colors: NDArray[np.uint8]
    edges: NDArray[np.uint32] | None = None
    corner_edges: NDArray[np.uint32] | None = None


def mesh_arrays(mesh: MeshData) -> dict[str, NDArray]:
    """Return the mesh's arrays as they go on the wire: little-endian and C-contiguous.

    Raises:
        ProtocolError: E_MESH if the mesh is not one that a client would accept.
    """
    arrays = {name: np.ascontiguousarray(getattr(mesh, name), dtype) for name, (dtype, _) in ARRAYS.items()}
    if mesh.edges is not None:
        arrays |= {name: np.ascontiguousarray(getattr(mesh, name), "<u4") for name in EDGE_ARRAYS}
    mesh_from_arrays(arrays)
    return arrays


def mesh_from_arrays(arrays: Mapping[str, NDArray]) -> MeshData:
    """Check the arrays that a peer sent, three of them or five, and return them as a mesh.

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
    edges, corner_edges = (arrays.get(name) for name in EDGE_ARRAYS)
    if edges is None and corner_edges is None:
        return MeshData(vertices, faces, colors)
    _check_array("edges", edges, np.dtype("<u4"), 2)
    if edges is None or corner_edges is None or corner_edges.dtype != np.dtype("<u4") or corner_edges.ndim != 1:
        raise edges_error("expected corner_edges <u4 [3F] with the edges, got none or another array")
    require_edges(faces, edges, corner_edges)
    return MeshData(vertices, faces, colors, edges, corner_edges)


def pack_mesh(mesh: MeshData) -> tuple[dict[str, int], bytes]:
    """Return the counts {"vertices": V, "faces": F}, with "edges": E where it has some, and the arrays back to back."""
    arrays = mesh_arrays(mesh)
    counts = {"vertices": len(mesh.vertices), "faces": len(mesh.faces)}
    counts |= {} if mesh.edges is None else {"edges": len(mesh.edges)}
    return counts, b"".join(array.tobytes() for array in arrays.values())


def packed_size_bytes(vertices: int, faces: int, edges: int = 0) -> int:
    """Return the size of the blob that ``pack_mesh`` makes of so many vertices, faces and edges."""
    return vertices * (12 + 4) + faces * 12 + edges_size_bytes(faces, edges)


def edges_size_bytes(faces: int, edges: int) -> int:
    """Return how much of that is edges."""
    return edges * 8 + faces * 12 if edges else 0


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


def unpack_mesh(vertices: int, faces: int, blob: bytes | bytearray | memoryview, edges: int = 0) -> MeshData:
    """Return the mesh in a blob made by ``pack_mesh``, without copying it.

    Raises:
        ProtocolError: E_MESH if the blob's size or content is wrong.
    """
    if not (0 <= vertices <= MAX_MESH_VERTICES and 0 <= faces <= MAX_MESH_FACES):
        raise _mesh_error(f"expected at most {MAX_MESH_VERTICES} vertices, got {vertices} and {faces} faces")
    if not 0 <= edges <= 3 * faces or len(blob) != packed_size_bytes(vertices, faces, edges):
        raise _mesh_error(f"expected {packed_size_bytes(vertices, faces, edges)} bytes of mesh, got {len(blob)}")
    faces_start, colors_start = vertices * 12, (vertices + faces) * 12
    arrays: dict[str, NDArray] = {
        "vertices": np.frombuffer(blob, "<f4", vertices * 3).reshape(vertices, 3),
        "faces": np.frombuffer(blob, "<u4", faces * 3, faces_start).reshape(faces, 3),
        "colors": np.frombuffer(blob, "|u1", vertices * 4, colors_start).reshape(vertices, 4),
    }
    return mesh_from_arrays(arrays | unpack_edges(faces, edges, memoryview(blob)[packed_size_bytes(vertices, faces) :]))


def unpack_edges(faces: int, edges: int, blob: bytes | bytearray | memoryview) -> dict[str, NDArray]:
    """Return the two arrays of edges in a blob that holds nothing else; none of no edges."""
    if not edges:
        return {}
    return {
        "edges": np.frombuffer(blob, "<u4", edges * 2).reshape(edges, 2),
        "corner_edges": np.frombuffer(blob, "<u4", faces * 3, edges * 8),
    }


def _check_array(name: str, array: NDArray | None, dtype: np.dtype, columns: int) -> None:
    if array is None:
        raise _mesh_error(f"expected an array called {name}, got none")
    if array.dtype != dtype or array.ndim != 2 or array.shape[1] != columns:
        raise _mesh_error(f"expected {name} {dtype.str} [N, {columns}], got {array.dtype.str} {list(array.shape)}")


def _mesh_error(message: str) -> ProtocolError:
    return ProtocolError("E_MESH", message, "update the server; a preview it sent is damaged", field="mesh")
