# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put triangles and vertex colours into a Blender mesh as fast as its Python interface allows."""

from typing import Any

import numpy as np
import numpy.typing as npt

COLORS = "Color"


def write(
    mesh: Any, vertices: npt.NDArray[np.float32], faces: npt.NDArray[np.uint32], colors: npt.NDArray[np.uint8]
) -> None:
    """Make a mesh these triangles; where they are the same as before, only positions and colours are written.

    Args:
        mesh: of an object in Object Mode.
        vertices: [V,3] in Blender's world axes.
        faces: [F,3] in range: Blender does not check them here.
        colors: [V,4] sRGB.
    """
    corners = np.ascontiguousarray(faces, dtype=np.int32).ravel()
    if not _has_topology(mesh, len(vertices), corners):
        _set_topology(mesh, len(vertices), corners)
    mesh.attributes["position"].data.foreach_set("vector", np.ascontiguousarray(vertices, dtype=np.float32).ravel())
    _color_layer(mesh).data.foreach_set("color", srgb_to_linear(colors).ravel())
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


def _set_topology(mesh: Any, vertex_count: int, corners: npt.NDArray[np.int32]) -> None:
    """Rebuild through the attributes: about ten times faster than loops.foreach_set."""
    mesh.clear_geometry()
    mesh.vertices.add(vertex_count)
    mesh.loops.add(len(corners))
    mesh.polygons.add(len(corners) // 3)
    mesh.attributes[".corner_vert"].data.foreach_set("value", corners)
    mesh.polygons.foreach_set("loop_start", np.arange(0, len(corners), 3, dtype=np.int32))
    mesh.update(calc_edges=True)


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
