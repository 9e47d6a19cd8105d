# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Exported assets, anybody's: GLB, OBJ, PLY and STL files as meshes with their texture or vertex colours.

Unlike what a run starts from, an asset may be open, folded or in pieces: a measure has to look at bad meshes, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from PIL import Image

from limbeck.assets.gltf import linear_to_srgb
from limbeck.assets.mesh import NEUTRAL_SRGB, Mesh, make_mesh
from limbeck.assets.texture import LARGEST, Texture
from limbeck.errors import LimbeckError
from limbeck.evaluation.protocol import ASSET_SUFFIXES
from limbeck.representations.shape import MAX_BYTES, MAX_FACES, Y_UP

LARGEST_COORDINATE = 1e9


def read_asset(path: Path) -> Mesh:
    """Read a whole asset into Limbeck's world (z up, front -Y).

    Of a picture that repeats, each face gets the part that it begins in. Metalness, roughness and normal maps are not
    looked at: pictures for measures are unlit.

    Raises:
        LimbeckError: E_ASSET if it is not a mesh that can be drawn, E_FILE if it cannot be opened.
    """
    suffix = path.suffix.lower()
    if suffix not in ASSET_SUFFIXES:
        raise _refused(f"a file ending in {', '.join(ASSET_SUFFIXES)}", path.name, "export the asset in one of these")
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        message = f"could not read {path}: {error.strerror}"
        raise LimbeckError("E_FILE", message, "check the path and its permissions") from error
    if size_bytes > MAX_BYTES:
        raise _refused(
            f"a file of at most {MAX_BYTES >> 20} MB", f"{path.name} of {size_bytes >> 20} MB", "simplify it"
        )
    try:
        return _read(path, suffix)
    except LimbeckError:
        raise
    except Exception as error:  # trimesh raises whatever its parsers meet in a damaged file
        came = f"{path.name}, cut off or damaged ({type(error).__name__}: {str(error)[:120]})"
        raise _refused(f"a whole, readable {suffix} file", came, "export it again") from error


@dataclass(frozen=True)
class _Part:
    """One mesh of a file at its place; ``visual`` is trimesh's."""

    vertices: Float[ndarray, "vertices 3"]
    faces: Int[ndarray, "faces 3"]
    visual: Any


def _read(path: Path, suffix: str) -> Mesh:
    parts = _parts(path)
    if not parts:
        remedy = "export a mesh; Gaussians and points cannot be drawn"
        raise _refused("a mesh with faces", f"none in {path.name}", remedy)
    faces = sum(len(part.faces) for part in parts)
    if faces > MAX_FACES:
        raise _refused(f"at most {MAX_FACES:,} faces", f"{faces:,} in {path.name}", "decimate it first")
    mesh = _joined(parts, suffix)
    if not np.abs(mesh.vertices).max() < LARGEST_COORDINATE or float(np.ptp(mesh.vertices, axis=0).max()) < 1e-9:
        raise _refused("vertices that are apart and below a billion", f"others in {path.name}", "export it again")
    picture = _picture(parts[0])
    return mesh if picture is None else _textured(mesh, parts[0], picture)


def _parts(path: Path) -> list[_Part]:
    """Return every mesh of the file as often as the scene shows it; meshes with pictures become one with one."""
    scene: Any = trimesh.load_scene(path, process=False)
    shown = [(scene.geometry[name], transform) for transform, name in map(scene.graph.get, scene.graph.nodes_geometry)]
    shown = [(mesh, transform) for mesh, transform in shown if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces)]
    if len(shown) > 1 and any(_picture(mesh) is not None for mesh, _ in shown):
        packed: Any = trimesh.util.concatenate([mesh.copy().apply_transform(transform) for mesh, transform in shown])
        shown = [(packed, np.eye(4))]
    return [_placed(mesh, np.asarray(transform)) for mesh, transform in shown]


def _placed(mesh: Any, transform: Float[ndarray, "4 4"]) -> _Part:
    vertices = np.asarray(mesh.vertices, np.float64) @ transform[:3, :3].T + transform[:3, 3]
    faces = np.asarray(mesh.faces)
    return _Part(vertices, faces[:, ::-1] if np.linalg.det(transform[:3, :3]) < 0 else faces, mesh.visual)


def _joined(parts: list[_Part], suffix: str) -> Mesh:
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    vertices = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=False)])
    colors = np.concatenate([_vertex_colors(part, is_linear=suffix == ".glb") for part in parts])
    if suffix in Y_UP:
        vertices = np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1)
    return make_mesh(vertices, faces, colors)


def _vertex_colors(part: _Part, *, is_linear: bool) -> UInt8[ndarray, "vertices 4"]:
    """Return sRGB colours: of the vertices times the material's, either alone, else middle grey; all opaque."""
    count, given, factor = len(part.vertices), _given_colors(part), _material_color(part)
    if given is None and factor is None:
        unit, is_linear = np.full((1, 3), NEUTRAL_SRGB / 255), False
    else:
        unit = (np.ones((1, 3)) if given is None else given) * (np.ones(3) if factor is None else factor)
    srgb = linear_to_srgb(unit) if is_linear else np.clip(unit, 0.0, 1.0)
    colors = np.full((count, 4), 255, np.uint8)
    colors[:, :3] = np.rint(255 * srgb)
    return colors


def _given_colors(part: _Part) -> Float[ndarray, "vertices 3"] | None:
    if part.visual.kind in ("vertex", "face"):
        return _unit(np.asarray(part.visual.vertex_colors))
    attributes = getattr(part.visual, "vertex_attributes", {})
    given = attributes.get("color", None)
    return None if given is None or len(given) != len(part.vertices) else _unit(np.asarray(given))


def _material_color(part: _Part) -> Float[ndarray, "3"] | None:
    """Return the factor of a material: of glTF, in linear light, or of an MTL, which is taken as sRGB."""
    material = getattr(part.visual, "material", None)
    factor = getattr(material, "baseColorFactor", getattr(material, "diffuse", None))
    return None if factor is None else _unit(np.asarray(factor)[None])[0]


def _unit(values: ndarray) -> Float[ndarray, "n 3"]:
    """Return the first three channels in 0 to 1, out of whatever whole or broken numbers they are."""
    largest = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1.0
    return values[:, :3].astype(np.float64) / largest


def _picture(part: Any) -> Image.Image | None:
    """Return the picture of the base colour, if the part has one and coordinates on it."""
    if part.visual.kind != "texture" or part.visual.uv is None:
        return None
    material = part.visual.material
    return getattr(material, "baseColorTexture", None) or getattr(material, "image", None)


def _textured(mesh: Mesh, part: _Part, picture: Image.Image) -> Mesh:
    side = min(max(picture.size), LARGEST)
    square = picture.convert("RGB") if picture.size == (side, side) else picture.convert("RGB").resize((side, side))
    corners = np.asarray(part.visual.uv, np.float64)[mesh.faces]  # trimesh's v points up
    corners = _within_one_tile(np.stack([corners[..., 0], 1 - corners[..., 1]], -1))
    uv_faces = np.arange(corners.size // 2, dtype=np.int32).reshape(-1, 3)
    texture = Texture(corners.reshape(-1, 2), uv_faces, np.asarray(square, np.uint8))
    return Mesh(mesh.vertices, mesh.faces, mesh.colors_srgb, texture)


def _within_one_tile(corners: Float[ndarray, "faces 3 2"]) -> Float32[ndarray, "faces 3 2"]:
    finite = np.nan_to_num(corners, nan=0.0, posinf=0.0, neginf=0.0)
    outside = (finite.min(1) < 0) | (finite.max(1) > 1)
    shift = np.where(outside, np.floor(finite.min(1)), 0.0)
    return np.clip(finite - shift[:, None], 0.0, 1.0).astype(np.float32)


def _refused(expected: str, came: str, remedy: str) -> LimbeckError:
    return LimbeckError("E_ASSET", f"expected {expected}, got {came}", remedy)
