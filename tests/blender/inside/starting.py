# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What tests of jobs from the scene share: objects to start from, and what a worker makes of a locked mesh."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from blender.inside.conftest import MODULE
from blender.inside.describing import ply_of
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.assets.texture import Texture
from limbeck.assets.unwrap import Unwrapping, unwrap


def start(kind: str, thing: Any = None) -> Any:
    source = bpy.context.scene.limbeck.source
    source.start, source.thing = kind, thing
    return source


def placed(addon: Any, spec: Any) -> np.ndarray:
    """Return the vertices that a job starts from, in the world that its placement says."""
    matrix = np.array(addon.module("description").placement_of(bpy.context.scene).matrix)
    vertices, _ = ply_of(spec.init.blob.data)
    return vertices @ matrix[:3, :3].T + matrix[:3, 3]


def same_points(found: np.ndarray, wanted: np.ndarray, within: float = 1e-4) -> bool:
    apart = np.linalg.norm(found[:, None] - wanted[None], axis=-1)
    return apart.min(0).max() < within and apart.min(1).max() < within


def world_vertices(thing: Any) -> np.ndarray:
    return np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])


def cube(**transform: Any) -> Any:
    bpy.ops.mesh.primitive_cube_add()
    thing = bpy.context.object
    for name, value in transform.items():
        setattr(thing, name, value)
    bpy.context.view_layer.update()
    return thing


def laid_flat(mesh: Mesh) -> Unwrapping:
    """Lay a mesh flat as the worker does; without xatlas each triangle gets a cell of its own."""
    if importlib.util.find_spec("xatlas"):
        return unwrap(mesh, 256)
    count = len(mesh.faces)
    side = int(np.ceil(np.sqrt(count)))
    cells = np.stack(np.divmod(np.arange(count), side), 1)[:, None]
    uvs = (cells + np.array([(0.2, 0.2), (0.8, 0.2), (0.2, 0.8)])) / side
    return Unwrapping(uvs.reshape(-1, 2).astype(np.float32), np.arange(count * 3, dtype=np.int32).reshape(-1, 3))


def painted_file(spec: Any, file: Path) -> Path:
    """Return what a worker makes of a locked mesh: the same faces, unwrapped; each place shows where it is."""
    mesh = make_mesh(*ply_of(spec.init.blob.data))
    unwrapped = laid_flat(mesh)
    picture = np.zeros((256, 256, 3), np.uint8)
    corners = unwrapped.uvs[unwrapped.uv_faces] * 256
    for places, points in zip(corners, mesh.vertices[mesh.faces], strict=True):
        low, high = np.floor(places.min(0)).astype(int) - 2, np.ceil(places.max(0)).astype(int) + 2
        y, x = np.mgrid[max(low[1], 0) : min(high[1], 256), max(low[0], 0) : min(high[0], 256)]
        edges = np.concatenate([places.T, np.ones((1, 3))])
        weights = np.linalg.lstsq(edges, np.stack([x + 0.5, y + 0.5, np.ones_like(x)]).reshape(3, -1), rcond=None)[0]
        is_near = (weights > -0.35).all(0)
        shown = (weights.T @ points * 0.5 + 0.5).clip(0, 1) * 255
        picture[y.ravel()[is_near], x.ravel()[is_near]] = np.rint(shown[is_near])
    texture = Texture(unwrapped.uvs, unwrapped.uv_faces, picture)
    write_glb(file, Mesh(mesh.vertices, mesh.faces, mesh.colors_srgb, texture), metadata={"prompt": spec.prompt})
    return file


def import_painted(file: Path, **options: Any) -> Any:
    record = sys.modules[f"{MODULE}.provenance"].Provenance("a bird").to_json()
    arguments = {"title": "painted", "use": "texture", "record": record, **options}
    assert bpy.ops.limbeck.import_asset("EXEC_DEFAULT", True, filepath=str(file), **arguments) == {"FINISHED"}
    return bpy.context.view_layer.objects.active


def positions(mesh: Any) -> bytes:
    found = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", found)
    return found.tobytes()


def polygons(mesh: Any) -> list[tuple[int, ...]]:
    return [tuple(polygon.vertices) for polygon in mesh.polygons]
