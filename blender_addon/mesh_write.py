# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put triangles and vertex colours into a Blender mesh as fast as its Python interface allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from limbeck_protocol.mesh_codec import MeshData

COLORS = "Color"


def write(mesh: Any, source: MeshData) -> None:
    """Make a Blender mesh these triangles; where they are the same as before, only positions and colours are written.

    Args:
        mesh: of an object in Object Mode.
        source: checked, as it comes from the client: Blender does not look at indices here. Edges that come with it
            spare Blender the search for them.
    """
    corners = _int32(source.faces)
    if not _has_topology(mesh, len(source.vertices), corners):
        _set_topology(mesh, source, corners)
    if len(source.vertices):
        positions = np.ascontiguousarray(source.vertices, dtype=np.float32).ravel()
        mesh.attributes["position"].data.foreach_set("vector", positions)
        _color_layer(mesh).data.foreach_set("color", srgb_to_linear(source.colors).ravel())
    mesh.update()


def srgb_to_linear(colors: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Return float colours in the linear space that Blender keeps them in; alpha is linear already."""
    linear = _SRGB_TO_LINEAR[colors]
    linear[:, 3] = colors[:, 3] / np.float32(255)
    return linear


def _linear_table() -> npt.NDArray[np.float32]:
    srgb = np.arange(256, dtype=np.float64) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


_SRGB_TO_LINEAR = _linear_table()


def _has_topology(mesh: Any, vertex_count: int, corners: npt.NDArray[np.int32]) -> bool:
    """Return whether the mesh has these triangles now; the artist or undo may have changed it since the last one."""
    if len(mesh.vertices) != vertex_count or len(mesh.loops) != len(corners) or len(mesh.polygons) * 3 != len(corners):
        return False
    if not len(corners):
        return True
    present = np.empty(len(corners), dtype=np.int32)
    mesh.attributes[".corner_vert"].data.foreach_get("value", present)
    return np.array_equal(present, corners)


def _set_topology(mesh: Any, source: MeshData, corners: npt.NDArray[np.int32]) -> None:
    """Rebuild through the attributes: about ten times faster than loops.foreach_set."""
    mesh.clear_geometry()
    mesh.vertices.add(len(source.vertices))
    mesh.loops.add(len(corners))
    mesh.polygons.add(len(corners) // 3)
    if not len(corners):
        return
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.foreach_set("loop_start", np.arange(0, len(corners), 3, dtype=np.int32))
    if source.edges is None or source.corner_edges is None:
        mesh.update(calc_edges=True)
        return
    mesh.edges.add(len(source.edges))
    mesh.attributes[".edge_verts"].data.foreach_set("value", _int32(source.edges))
    mesh.attributes[".corner_edge"].data.foreach_set("value", _int32(source.corner_edges))


def _int32(indices: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Return indices below 2^31 as Blender wants them, flat; without a copy where they are contiguous."""
    return np.ascontiguousarray(indices).reshape(-1).view(np.int32)


def _color_layer(mesh: Any) -> Any:
    """Return the colour attribute, made the active one so that the viewport shows it."""
    layer = mesh.color_attributes.get(COLORS)
    if layer is not None and (layer.domain != "POINT" or layer.data_type != "FLOAT_COLOR"):
        mesh.color_attributes.remove(layer)
        layer = None
    if layer is None:
        mesh.color_attributes.new(COLORS, "FLOAT_COLOR", "POINT")
        mesh.color_attributes.active_color_name = COLORS
        layer = mesh.color_attributes[COLORS]
    return layer
