# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh built from the edges that a server sends is the mesh that Blender makes by looking for them itself."""

from typing import Any

import bpy
import numpy as np

from blender.synthetic_engine import bird
from limbeck_protocol.mesh_edges import find_edges


def build(faces: np.ndarray, vertices: np.ndarray, edges: tuple[np.ndarray, np.ndarray] | None) -> Any:
    mesh = bpy.data.meshes.new("edges")
    mesh.vertices.add(len(vertices))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    mesh.attributes["position"].data.foreach_set("vector", np.ascontiguousarray(vertices, np.float32).ravel())
    mesh.attributes[".corner_vert"].data.foreach_set("value", np.ascontiguousarray(faces, np.int32).ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    if edges is None:
        mesh.update(calc_edges=True)
        return mesh
    mesh.edges.add(len(edges[0]))
    mesh.attributes[".edge_verts"].data.foreach_set("value", edges[0].view(np.int32).ravel())
    corner_edge = mesh.attributes.get(".corner_edge") or mesh.attributes.new(".corner_edge", "INT", "CORNER")
    corner_edge.data.foreach_set("value", edges[1].view(np.int32))
    mesh.update()
    return mesh


def sides(mesh: Any) -> list[tuple[int, int]]:
    """Return the two vertices of each corner's edge, as Blender has them."""
    ends = [tuple(sorted(edge.vertices)) for edge in mesh.edges]
    return [ends[loop.edge_index] for loop in mesh.loops]


def test_sent_edges_make_the_mesh_that_blender_would_have_made() -> None:
    vertices, faces, _ = bird(12, 1.0)
    edges = find_edges(np.ascontiguousarray(faces, np.uint32))
    assert edges is not None
    own, sent = build(faces, vertices, None), build(faces, vertices, edges)
    assert not sent.validate(verbose=True), "nothing had to be mended"
    assert len(sent.edges) == len(own.edges) == len(edges[0])
    assert sides(sent) == sides(own)
    assert not any(edge.is_loose for edge in sent.edges)
    np.testing.assert_array_equal([n.vector[:] for n in sent.vertex_normals], [n.vector[:] for n in own.vertex_normals])
