# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A triangle mesh's edges, as an application needs them that would otherwise have to look for them itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError

Edges = tuple[NDArray[np.uint32], NDArray[np.uint32]]
HALF = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)


def find_edges(faces: NDArray[np.uint32]) -> Edges | None:
    """Return a mesh's edges and which of them each corner begins.

    Args:
        faces: uint32 [F, 3].

    Returns:
        edges uint32 [E, 2], the lower vertex first, in rising order, and corner_edges uint32 [3F]: for each corner, the
        edge from its vertex to that of the face's next corner. None where a face names a vertex twice.
    """
    sides = _sides(faces)
    if not faces.size or (sides[:, 0] == sides[:, 1]).any():
        return None
    keys = _keys(sides)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.empty(len(ordered), bool)
    is_first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    corner_edges = np.empty(len(ordered), np.uint32)
    corner_edges[order] = np.cumsum(is_first, dtype=np.uint32) - np.uint32(1)
    found = ordered[is_first]
    return np.stack([found >> HALF, found & LOW], axis=1).astype(np.uint32), corner_edges


def require_edges(faces: NDArray[np.uint32], edges: NDArray[np.uint32], corner_edges: NDArray[np.uint32]) -> None:
    """Refuse edges that are not those that ``find_edges`` returns: an application takes them without another look.

    Raises:
        ProtocolError: E_MESH.
    """
    if len(corner_edges) != faces.size:
        raise edges_error(f"expected an edge for each of {faces.size} corners, got {len(corner_edges)}")
    if faces.size and (not len(edges) or int(corner_edges.max()) >= len(edges)):
        raise edges_error(f"expected corners to name edges below {len(edges)}, got another")
    if not np.array_equal(_pairs(edges)[corner_edges], _pairs(_sides(faces))):
        raise edges_error("expected each corner's edge between its vertex and the next corner's, got another")
    keys = _keys(edges)
    is_used = np.zeros(len(edges), bool)
    is_used[corner_edges] = True
    is_single = not (edges[:, 0] == edges[:, 1]).any() and bool((keys[1:] > keys[:-1]).all())
    if not is_single or not is_used.all():
        raise edges_error("expected each edge once, in rising order, and used by a face, got others")


def edges_error(message: str) -> ProtocolError:
    """Return the error for edges that do not fit their mesh."""
    return ProtocolError("E_MESH", message, "update the server; a mesh it sent is damaged", field="edges")


def _sides(faces: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the lower and the higher vertex of each corner's side, [3F, 2]."""
    sides = np.empty((len(faces), 3, 2), "<u4")
    for corner in range(3):
        start, end = faces[:, corner], faces[:, (corner + 1) % 3]
        np.minimum(start, end, out=sides[:, corner, 0])
        np.maximum(start, end, out=sides[:, corner, 1])
    return sides.reshape(-1, 2)


def _pairs(edges: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each pair, which is quicker to look up and to compare."""
    return np.ascontiguousarray(edges, "<u4").view("<u8").reshape(-1)


def _keys(edges: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Return one number for each pair, in the order of the pairs."""
    return (edges[:, 0].astype(np.uint64) << HALF) | edges[:, 1]
