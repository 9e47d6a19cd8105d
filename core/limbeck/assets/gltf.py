# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Binary glTF 2.0 (GLB) of one mesh with a texture or vertex colours.

Written with struct, json and numpy: one mesh needs a few buffer views, which is less code than a library's objects
would take, and the bytes are ours to keep the same (sorted keys, no time stamps, no library version). Frame: glTF is
y up with the front at +Z, so (x, y, z) becomes (x, z, -y); Blender's importer turns it back into our world.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8, UInt16
from numpy import ndarray

import limbeck
from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.mesh import Mesh, transform_positions, vertex_normals
from limbeck.assets.tangents import tangent_frames
from limbeck.assets.texture import LOSSLESS, Texture, encode_picture

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
Point = tuple[float, float, float]
ROUGHNESS = 0.8
TRILINEAR = {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}
"""Mipmaps; clamped at the borders."""
MAX_SHORT_INDEX = 65534
"""The highest 16-bit index is glTF's primitive restart value and must not name a vertex."""


def write_glb(
    path: Path,
    mesh: Mesh,
    *,
    name: str = "Limbeck",
    metadata: Mapping[str, object] | None = None,
    pivot: Point | None = None,
) -> None:
    """Write a GLB whole or not at all; the same arguments give the same bytes.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
        ValueError: if the mesh is empty or the metadata is not JSON.
    """
    write_bytes_atomically(path, encode_glb(mesh, name=name, metadata=metadata, pivot=pivot))


def encode_glb(
    mesh: Mesh,
    *,
    name: str = "Limbeck",
    metadata: Mapping[str, object] | None = None,
    pivot: Point | None = None,
) -> bytes:
    """Return the bytes of a GLB: one node, one mesh, one rough material.

    A texture is the material's base colour (a PNG, or a JPEG where a PNG would be large); vertices are then doubled
    along its seams. Without one, linear COLOR_0 tints white. Never both: a viewer would multiply them. A normal map is
    a PNG, and comes with the tangents that it was baked in (``tangents``).

    Args:
        mesh: in Limbeck's world.
        name: of the node, the mesh and the material.
        metadata: JSON values (prompt, seed, recipe, model ids); they stand in ``asset.extras`` and, for Blender's
            custom properties, in the node's ``extras``, both under the key "limbeck".
        pivot: where the object's own origin is, in Limbeck's world: vertices count from there and the node's
            translation brings them back, so that the object stays where it is. None leaves it at the world's origin.
    """
    if mesh.is_empty:
        raise ValueError("expected a mesh with faces, got an empty one: glTF cannot hold it")
    attributes, faces = _vertex_arrays(mesh if pivot is None else _counted_from(mesh, pivot))
    is_short = len(attributes[0].values) - 1 <= MAX_SHORT_INDEX
    indices = faces.astype(np.dtype("<u2" if is_short else "<u4")).reshape(-1, 1)
    kind = UNSIGNED_SHORT if is_short else UNSIGNED_INT
    arrays = [*attributes, _Array("indices", "SCALAR", kind, ELEMENT_ARRAY_BUFFER, indices)]
    views, accessors, binary = _lay_out(arrays)
    document = _scene(name, [array.name for array in attributes], dict(metadata or {})) | {"accessors": accessors}
    if pivot is not None:
        document["nodes"][0]["translation"] = y_up(np.array([pivot], np.float32))[0].tolist()
    if mesh.texture is not None:
        binary = _add_pictures(document, views, binary, mesh.texture)
    document |= {"bufferViews": views, "buffers": [{"byteLength": len(binary)}]}
    text = json.dumps(document, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return _container(text.encode(), binary)


def _counted_from(mesh: Mesh, pivot: Point) -> Mesh:
    offset = np.array(pivot, np.float32)  # as the node has it: what rounds one must round the other
    return transform_positions(mesh, lambda vertices: vertices - offset)


@dataclass(frozen=True)
class _Array:
    name: str
    kind: str
    component: int
    target: int
    values: ndarray


def _vertex_arrays(mesh: Mesh) -> tuple[list[_Array], Int[ndarray, "faces 3"]]:
    """Return the arrays of the vertices, which a texture's seams double, and the faces between them."""
    normals = y_up(vertex_normals(mesh).astype(np.float32))
    positions = y_up(mesh.vertices)
    if mesh.texture is None:
        colors = linear_colors(mesh.colors_srgb).astype("<u2")
        more, faces = [_Array("COLOR_0", "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER, colors)], mesh.faces
    else:
        corners = np.stack([mesh.faces.ravel(), mesh.texture.uv_faces.ravel()], axis=1)
        pairs, first, faces = np.unique(corners, axis=0, return_index=True, return_inverse=True)
        positions, normals, faces = positions[pairs[:, 0]], normals[pairs[:, 0]], faces.reshape(-1, 3)
        uvs = mesh.texture.uvs[pairs[:, 1]].astype("<f4")
        more = [_Array("TEXCOORD_0", "VEC2", FLOAT, ARRAY_BUFFER, uvs)]
        if mesh.texture.normal_map is not None:
            more.insert(0, _Array("TANGENT", "VEC4", FLOAT, ARRAY_BUFFER, _tangents(mesh, mesh.texture)[first]))
    vectors = [
        _Array(name, "VEC3", FLOAT, ARRAY_BUFFER, values.astype("<f4"))
        for name, values in (("POSITION", positions), ("NORMAL", normals))
    ]
    return [*vectors, *more], faces


def _tangents(mesh: Mesh, texture: Texture) -> Float32[ndarray, "corners 4"]:
    """Return the unit tangent and the sign of the bitangent at each corner of each face."""
    frames = tangent_frames(mesh, texture)
    tangents, normals = frames.tangents.reshape(-1, 3), frames.normals.reshape(-1, 3)
    # Where no face has area in the picture any direction along the surface will do, but there must be one.
    along = np.cross(normals, np.eye(3)[np.abs(normals).argmin(axis=1)])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    tangents = np.where(tangents.any(axis=1, keepdims=True), tangents, along).astype(np.float32)
    return np.concatenate([y_up(tangents), np.repeat(frames.signs, 3)[:, None]], axis=1).astype("<f4")


def _add_pictures(document: dict[str, Any], views: list[dict[str, object]], binary: bytes, texture: Texture) -> bytes:
    """Add the texture's pictures to the material and to the views; return the binary chunk with them."""
    pictures = [("base color", *encode_picture(texture.base_color_srgb))]
    document["materials"][0]["pbrMetallicRoughness"]["baseColorTexture"] = {"index": 0}
    if texture.normal_map is not None:
        pictures.append(("normal", *encode_picture(texture.normal_map, LOSSLESS)))
        document["materials"][0]["normalTexture"] = {"index": 1}
    document |= {"samplers": [TRILINEAR], "images": [], "textures": []}
    for number, (name, content, mime_type) in enumerate(pictures):
        document["images"].append({"bufferView": len(views), "mimeType": mime_type, "name": name})
        document["textures"].append({"sampler": 0, "source": number})
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(content)})
        binary += content + b"\0" * (-len(content) % 4)
    return binary


def y_up(vectors: Float32[ndarray, "n 3"]) -> Float32[ndarray, "n 3"]:
    """Turn vectors of our z-up world into glTF's y-up frame: (x, y, z) -> (x, z, -y)."""
    # Adding zero turns -0.0 into 0.0: two bit patterns of one number would break byte-for-byte comparison.
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1) + np.float32(0.0)


def srgb_to_linear(srgb: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Decode sRGB values 0 to 1 to linear light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Encode linear light 0 to 1 as sRGB (IEC 61966-2-1); what lies outside is clipped."""
    clipped = np.clip(linear, 0.0, 1.0)
    return np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055)


def linear_colors(colors_srgb: UInt8[ndarray, "n 4"]) -> UInt16[ndarray, "n 4"]:
    """Convert sRGB bytes to linear normalised 16-bit numbers, which keep all 256 levels apart.

    Opacity is linear already and only widened.
    """
    levels = np.arange(256) / 255.0
    to_linear = np.round(srgb_to_linear(levels) * 65535).astype(np.uint16)
    colors = to_linear[colors_srgb]
    colors[:, 3] = colors_srgb[:, 3].astype(np.uint16) * 257
    return colors


def _lay_out(arrays: list[_Array]) -> tuple[list[dict[str, object]], list[dict[str, object]], bytes]:
    """Return bufferViews, accessors and the binary chunk of arrays [n, d]."""
    views: list[dict[str, object]] = []
    accessors: list[dict[str, object]] = []
    binary = bytearray()
    for number, array in enumerate(arrays):
        content = array.values.tobytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(content), "target": array.target})
        accessor: dict[str, object] = {
            "bufferView": number,
            "componentType": array.component,
            "count": len(array.values),
            "type": array.kind,
        }
        if array.name == "POSITION":
            accessor |= {"min": array.values.min(0).tolist(), "max": array.values.max(0).tolist()}
        if array.name == "COLOR_0":
            accessor["normalized"] = True
        accessors.append(accessor)
        binary += content + b"\0" * (-len(content) % 4)
    return views, accessors, bytes(binary)


def _scene(name: str, attribute_names: list[str], metadata: dict[str, object]) -> dict[str, Any]:
    """Return everything but the buffers and pictures; accessors are numbered as the attributes, indices last."""
    attributes = {attribute: number for number, attribute in enumerate(attribute_names)}
    primitive = {"attributes": attributes, "indices": len(attributes), "material": 0, "mode": 4}
    surface = {"baseColorFactor": [1.0, 1.0, 1.0, 1.0], "metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
    asset: dict[str, object] = {"version": "2.0", "generator": f"Limbeck {limbeck.__version__}"}
    node: dict[str, object] = {"name": name, "mesh": 0}
    if metadata:
        asset["extras"] = {"limbeck": metadata}
        node["extras"] = {"limbeck": metadata}
    return {
        "asset": asset,
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": [node],
        "meshes": [{"name": name, "primitives": [primitive]}],
        "materials": [{"name": name, "doubleSided": False, "pbrMetallicRoughness": surface}],
    }


def _container(document: bytes, binary: bytes) -> bytes:
    """Return the GLB container: 12 bytes of header, the JSON chunk padded with spaces, the binary one with zeros."""
    document += b" " * (-len(document) % 4)
    binary += b"\0" * (-len(binary) % 4)
    total = 12 + 8 + len(document) + 8 + len(binary)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, total),
            struct.pack("<I4s", len(document), b"JSON"),
            document,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        ]
    )
