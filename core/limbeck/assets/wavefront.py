# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Wavefront OBJ with vertex colours as the common extension ``v x y z r g b`` (sRGB, 0 to 1), and its material.

Frame: y up with the front at +Z, as glTF and as importers assume of OBJ by default, so (x, y, z) becomes (x, z, -y).
A texture is a PNG that a material file (MTL) names; its v points up, unlike glTF's.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import limbeck
from limbeck.assets.atomic import write_files_atomically
from limbeck.assets.gltf import ROUGHNESS, y_up
from limbeck.assets.mesh import Mesh, vertex_normals
from limbeck.assets.texture import LOSSLESS, encode_picture


@dataclass(frozen=True)
class Companions:
    """The files that a textured OBJ needs beside itself; the last one only where the texture has a normal map."""

    material: Path
    base_color: Path
    normal_map: Path


def companions(path: Path) -> Companions:
    """Return where a textured OBJ's material and picture go; their names hold no spaces, which OBJ cannot quote."""
    stem = "_".join(path.stem.split())
    return Companions(*(path.with_name(stem + ending) for ending in (".mtl", "_base_color.png", "_normal.png")))


def write_obj(path: Path, mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None) -> None:
    """Write an OBJ, and a texture's two companions, whole or not at all; the metadata becomes one comment of JSON.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    write_files_atomically(_files(path, mesh, name, metadata))


def write_packed_obj(
    path: Path, mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None
) -> None:
    """Write an OBJ and its companions as one ZIP, whole or not at all; the same arguments give the same bytes.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in _files(path.with_suffix(".obj"), mesh, name, metadata).items():
            archive.writestr(zipfile.ZipInfo(file.name), content, zipfile.ZIP_DEFLATED)
    write_files_atomically({path: packed.getvalue()})


def _files(path: Path, mesh: Mesh, name: str, metadata: Mapping[str, object] | None) -> dict[Path, bytes]:
    if mesh.texture is None:
        return {path: encode_obj(mesh, name=name, metadata=metadata)}
    beside, texture = companions(path), mesh.texture
    files = {beside.base_color: encode_picture(texture.base_color_srgb, LOSSLESS)[0]}
    if texture.normal_map is not None:
        files[beside.normal_map] = encode_picture(texture.normal_map, LOSSLESS)[0]
    normal_file = None if texture.normal_map is None else beside.normal_map.name
    files[beside.material] = encode_material(name, beside.base_color.name, normal_file)
    files[path] = encode_obj(mesh, name=name, metadata=metadata, material_file=beside.material.name)
    return files


def encode_obj(
    mesh: Mesh,
    *,
    name: str = "Limbeck",
    metadata: Mapping[str, object] | None = None,
    material_file: str | None = None,
) -> bytes:
    """Return the text of an OBJ as UTF-8; positions have nine significant digits, enough to restore every float32."""
    lines = [f"# Limbeck {limbeck.__version__}", "# " + json.dumps(dict(metadata or {}), sort_keys=True)]
    if material_file is not None:
        lines.append(f"mtllib {material_file}")
    lines.append("o " + _word(name))
    positions = np.concatenate([y_up(mesh.vertices), mesh.colors_srgb[:, :3] / 255.0], axis=1)
    lines += [
        f"v {x:.9g} {y:.9g} {z:.9g} {red:.4f} {green:.4f} {blue:.4f}"
        for x, y, z, red, green, blue in positions.tolist()
    ]
    normals = y_up(vertex_normals(mesh).astype(np.float32))
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in normals.tolist()]
    if material_file is not None:
        lines.append(f"usemtl {_word(name)}")
    lines += _faces(mesh)
    return ("\n".join(lines) + "\n").encode()


def encode_material(name: str, picture_file: str, normal_file: str | None = None) -> bytes:
    """Return the text of an MTL: a rough white dielectric with a picture, in the old terms and in those for PBR.

    A normal map is ``norm``, the word for PBR, and ``map_Bump``, by which Blender reads and writes one.
    """
    lines = [f"newmtl {_word(name)}", "Kd 1 1 1", "Ks 0 0 0", "illum 1", f"Pr {ROUGHNESS}", "Pm 0"]
    lines.append(f"map_Kd {picture_file}")
    if normal_file is not None:
        lines += [f"norm {normal_file}", f"map_Bump {normal_file}"]
    return ("\n".join(lines) + "\n").encode()


def _faces(mesh: Mesh) -> Iterator[str]:
    corners = (mesh.faces + 1).tolist()
    if mesh.texture is None:
        return (f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in corners)
    uvs = [f"vt {u:.7f} {1 - v:.7f}" for u, v in mesh.texture.uvs.astype(np.float64).tolist()]
    uv_corners = (mesh.texture.uv_faces + 1).tolist()
    faces = (
        f"f {a}/{ta}/{a} {b}/{tb}/{b} {c}/{tc}/{c}" for (a, b, c), (ta, tb, tc) in zip(corners, uv_corners, strict=True)
    )
    return iter([*uvs, *faces])


def _word(name: str) -> str:
    """Return a name without spaces, which would end it."""
    return "_".join(name.split()) or "Limbeck"
