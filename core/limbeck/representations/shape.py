# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A shape from which a run starts: the artist's mesh or points, read from a file's content and checked."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import trimesh
from jaxtyping import Float, Int
from numpy import ndarray
from trimesh.visual import ColorVisuals

from limbeck.assets.gltf import linear_to_srgb
from limbeck.assets.mesh import Mesh, directed_edges, face_area_vectors, make_mesh
from limbeck.errors import LimbeckError
from limbeck.rigs import Placement

MESH_SUFFIXES = (".glb", ".obj", ".ply", ".stl")
POINT_SUFFIXES = (".ply", ".xyz", ".npy", ".npz")
Y_UP = (".glb", ".obj")
"""Formats whose world is y up with the front at +Z; the others are taken as Limbeck's and Blender's own, z up."""
MAX_BYTES = 256 * 2**20
MAX_FACES = 2_000_000
LEAST_POINTS, MAX_POINTS = 2, 5_000_000
REACH = 0.98
"""A shape without a rig is moved and scaled so that the ball of this radius round the origin just holds it."""
STL_HEAD_BYTES, STL_FACE_BYTES = 84, 50
OBJ_INDEX_0 = re.compile(rb"^f[ \t][^\n]*?(?<=[ \t])0+(?:/|\s|\Z)", re.MULTILINE)
REMEDY = "open it in Blender, repair it there and export it again"


@dataclass(frozen=True)
class Shape:
    """What a run starts from.

    Attributes:
        points: the cloud's points, or the mesh's vertices.
        colors_srgb: of the points, 0 to 1; None where the file has none.
        faces: of a mesh; None for a cloud.
        original: the mesh as the artist gave it; None for a cloud.
        sha256: of the file's content, so that a saved run says what it started from.
    """

    points: Float[ndarray, "points 3"]
    colors_srgb: Float[ndarray, "points 3"] | None
    faces: Int[ndarray, "faces 3"] | None
    original: Mesh | None
    sha256: str = ""

    def placement(self) -> Placement:
        """Return where the shape stands: the ball round its bounding box's centre that holds it."""
        centre = (self.points.min(0) + self.points.max(0)) / 2
        radius = float(np.linalg.norm(self.points - centre, axis=1).max()) / REACH
        x, y, z = (float(value) for value in centre)
        return Placement((x, y, z), max(radius, 1e-6))

    def moved_into(self, placement: Placement) -> Shape:
        """Return the shape in the world of a run, whose unit ball stands at ``placement``."""
        return replace(self, points=(self.points - np.asarray(placement.centre)) / placement.radius)

    def sampled(self, count: int, seed: int) -> tuple[Float[ndarray, "count 3"], Float[ndarray, "count 3"] | None]:
        """Return points spread evenly over the mesh, or drawn from the cloud, and their colours if it has any."""
        generator = np.random.default_rng(seed)
        if self.faces is None:
            chosen = _drawn_rows(len(self.points), count, generator)
            return self.points[chosen], None if self.colors_srgb is None else self.colors_srgb[chosen]
        areas = np.linalg.norm(face_area_vectors(self.points, self.faces), axis=1)
        chosen = self.faces[generator.choice(len(self.faces), size=count, p=areas / areas.sum())]
        one, other = np.sqrt(generator.random(count)), generator.random(count)
        weights = np.stack([1 - one, one * (1 - other), one * other], 1)
        colors = None if self.colors_srgb is None else np.einsum("nk,nkc->nc", weights, self.colors_srgb[chosen])
        return np.einsum("nk,nkc->nc", weights, self.points[chosen]), colors


def read_shape(kind: Literal["mesh", "points"], content: bytes, suffix: str) -> Shape:
    """Read a mesh or a cloud of points out of a file's content.

    Args:
        kind: what to expect.
        content: of the file.
        suffix: how its name ends: one of MESH_SUFFIXES or POINT_SUFFIXES.

    Raises:
        LimbeckError: E_INIT, naming what is wrong with it.
    """
    suffixes = MESH_SUFFIXES if kind == "mesh" else POINT_SUFFIXES
    if suffix.lower() not in suffixes:
        raise _refused(f"{kind} in a file ending in {', '.join(suffixes)}", repr(suffix), "export it in another format")
    if len(content) > MAX_BYTES:
        raise _refused(f"a file of at most {MAX_BYTES >> 20} MB", f"{len(content) >> 20} MB", "simplify it first")
    read = _read_mesh if kind == "mesh" else _read_points
    try:
        shape = read(content, suffix.lower())
    except LimbeckError:
        raise
    except Exception as error:
        came = f"one that is cut off or damaged ({type(error).__name__}: {str(error)[:120]})"
        raise _refused(f"a whole, readable {suffix} file", came, "export it again") from error
    _require_usable(shape)
    return replace(shape, sha256=hashlib.sha256(content).hexdigest())


def _read_mesh(content: bytes, suffix: str) -> Shape:
    _require_whole(content, suffix)
    scene: Any = trimesh.load_scene(io.BytesIO(content), file_type=suffix[1:], process=False)
    for part in scene.geometry.values():
        _keep_vertex_colors(part)
    found = scene.to_geometry()
    if not isinstance(found, trimesh.Trimesh) or not len(found.faces):
        raise _refused("a mesh with faces", "none", "give points with a .ply, .xyz, .npy or .npz file instead")
    if len(found.faces) > MAX_FACES:
        raise _refused(f"at most {MAX_FACES:,} faces", f"{len(found.faces):,}", "decimate it first")
    vertices = _z_up(np.asarray(found.vertices, np.float64), suffix)
    _require_finite(vertices)
    faces = np.asarray(found.faces, np.int64)
    colors = _mesh_colors(found)
    painted = None if colors is None else np.concatenate([np.rint(colors * 255), np.full((len(colors), 1), 255)], 1)
    original = make_mesh(vertices, faces, None if painted is None else painted.astype(np.uint8))
    return Shape(vertices, colors, faces, original)


def _require_whole(content: bytes, suffix: str) -> None:
    """Refuse what trimesh reads as something else: an STL that ends early, an OBJ that counts vertices from 0."""
    is_text = content.lstrip()[:5].lower() == b"solid" and b"\0" not in content[:1024]
    if suffix == ".stl" and is_text and b"endsolid" not in content.lower():
        raise _refused("a whole .stl file, which ends with endsolid", "one without", "export it again")
    size_bytes = STL_HEAD_BYTES + STL_FACE_BYTES * int.from_bytes(content[80:84], "little")
    if suffix == ".stl" and not is_text and len(content) < size_bytes:
        raise _refused(f"a whole .stl file of {size_bytes:,} bytes", f"{len(content):,} bytes", "export it again")
    if suffix == ".obj" and OBJ_INDEX_0.search(content):
        raise _refused("an .obj file that counts vertices from 1", "a face of vertex 0", "export it again")


def _keep_vertex_colors(part: Any) -> None:
    """Give a part of a glTF file its COLOR_0, in linear light, as colours: trimesh drops it on joining parts."""
    linear = getattr(part.visual, "vertex_attributes", {}).get("color")
    if linear is None or getattr(part.visual, "uv", None) is not None or len(linear) != len(part.vertices):
        return
    largest = np.iinfo(linear.dtype).max if linear.dtype.kind == "u" else 1.0
    srgb = linear_to_srgb(np.asarray(linear, np.float64)[:, :3] / largest)
    part.visual = ColorVisuals(part, vertex_colors=np.rint(255 * srgb).astype(np.uint8))


def _mesh_colors(found: trimesh.Trimesh) -> Float[ndarray, "vertices 3"] | None:
    """Return sRGB colours of vertices, out of a texture where that is what the mesh has; None without either."""
    visual: Any = found.visual
    if visual.kind is None or (visual.kind == "texture" and visual.uv is None):
        return None
    colors = visual.to_color() if visual.kind == "texture" else visual
    return np.asarray(colors.vertex_colors, np.float64)[:, :3] / 255


def _read_points(content: bytes, suffix: str) -> Shape:
    readers: dict[str, Callable[[bytes], tuple[ndarray, ndarray | None]]] = {
        ".npy": lambda data: _columns(np.load(io.BytesIO(data), allow_pickle=False)),
        ".npz": _read_npz,
        ".ply": lambda data: _read_cloud(data, "ply"),
        ".xyz": _read_xyz,
    }
    points, colors = readers[suffix](content)
    if points.ndim != 2 or points.shape[1:] != (3,):
        raise _refused("points as rows of three numbers", f"an array of {points.shape}", "save them as [N, 3]")
    if len(points) > MAX_POINTS:
        raise _refused(f"at most {MAX_POINTS:,} points", f"{len(points):,}", "keep fewer")
    if colors is not None and colors.shape != points.shape:
        raise _refused("a colour for each point", f"{colors.shape} for {points.shape}", "save both with as many rows")
    points = np.asarray(points, np.float64)
    _require_finite(points)
    if colors is not None and not np.isfinite(colors).all():
        raise _refused("finite colours", "NaN or infinite ones", REMEDY)
    return Shape(points, None if colors is None else np.clip(colors, 0.0, 1.0), None, None)


def _read_cloud(content: bytes, file_type: str) -> tuple[ndarray, ndarray | None]:
    found: Any = trimesh.load(io.BytesIO(content), file_type=file_type, process=False)
    if isinstance(found, trimesh.Trimesh):
        return np.asarray(found.vertices), _mesh_colors(found)
    colors = np.asarray(found.colors, np.float64)
    has_colors = len(colors) == len(found.vertices) and colors.ndim == 2 and colors.shape[1] >= 3
    return np.asarray(found.vertices), colors[:, :3] / 255 if has_colors else None


def _read_xyz(content: bytes) -> tuple[ndarray, ndarray | None]:
    lines = [line.split() for line in content.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    if len(lines) < LEAST_POINTS or min(len(line) for line in lines) < 3:
        came = f"{len(lines)} lines" if len(lines) < LEAST_POINTS else "a line of fewer"
        raise _refused(f"at least {LEAST_POINTS} lines of three numbers", came, "write a point to each line")
    return _read_cloud(content, "xyz")


def _read_npz(content: bytes) -> tuple[ndarray, ndarray | None]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size_bytes = sum(entry.file_size for entry in archive.infolist())
    if size_bytes > MAX_BYTES:
        raise _refused(f"at most {MAX_BYTES >> 20} MB unpacked", f"{size_bytes >> 20} MB", "keep fewer points")
    arrays = np.load(io.BytesIO(content), allow_pickle=False)
    if "points" not in arrays:
        raise _refused("an array named points, and colors beside it if there are any", str(arrays.files), "rename it")
    points, colors = _columns(arrays["points"])
    return points, _as_unit(arrays["colors"]) if "colors" in arrays else colors


def _columns(array: ndarray) -> tuple[ndarray, ndarray | None]:
    """Split rows of six numbers into points and colours."""
    if array.ndim == 2 and array.shape[1] == 6:
        return array[:, :3], _as_unit(array[:, 3:])
    return array, None


def _as_unit(colors: ndarray) -> Float[ndarray, "..."]:
    """Return colours in 0 to 1, whether given so or in 0 to 255."""
    values = np.asarray(colors, np.float64)
    return values / 255 if colors.dtype.kind in "iu" or values.max(initial=0.0) > 1.0 else values


def _z_up(vertices: Float[ndarray, "vertices 3"], suffix: str) -> Float[ndarray, "vertices 3"]:
    if suffix not in Y_UP:
        return vertices
    return np.stack([vertices[:, 0], -vertices[:, 2], vertices[:, 1]], 1)


def _require_finite(points: Float[ndarray, "points 3"]) -> None:
    bad = int((~np.isfinite(points) | (np.abs(points) > 1e9)).any(1).sum())
    if bad:
        raise _refused("finite coordinates below a billion", f"{bad} points with others", REMEDY)


def _require_usable(shape: Shape) -> None:
    if not len(shape.points):
        raise _refused("at least one point", "none", "give another file")
    size = float(np.ptp(shape.points, axis=0).max())
    if size < 1e-9:
        raise _refused("points that are apart", f"{len(shape.points)} at one place", "give another file")
    if shape.faces is None:
        return
    if not 0 <= shape.faces.min() <= shape.faces.max() < len(shape.points):
        raise _refused("faces of vertices that are there", f"index {shape.faces.max()} of {len(shape.points)}", REMEDY)
    area = float(np.linalg.norm(face_area_vectors(shape.points, shape.faces), axis=1).sum())
    if area < 1e-9 * size * size:
        raise _refused("a mesh with area", f"{len(shape.faces)} faces without any", REMEDY)
    edges = np.sort(directed_edges(shape.faces), axis=1)
    shared = np.unique(edges[:, 0] * len(shape.points) + edges[:, 1], return_counts=True)[1]
    if shared.max() > 2:
        message = f"{int((shared > 2).sum())} edges shared by three or more"
        raise _refused("a manifold mesh, whose edges belong to one or two faces", message, REMEDY)


def _drawn_rows(rows: int, count: int, generator: np.random.Generator) -> Int[ndarray, " count"]:
    """Return each row as often as the others, up to one."""
    whole, rest = divmod(count, rows)
    return np.concatenate([np.tile(np.arange(rows), whole), np.sort(generator.permutation(rows)[:rest])])


def _refused(expected: str, came: str, remedy: str) -> LimbeckError:
    return LimbeckError("E_INIT", f"expected {expected} to start from, got {came}", remedy)
