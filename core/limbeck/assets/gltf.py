# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Binary glTF 2.0 (GLB) of one mesh with vertex colours.

Written with struct, json and numpy: one mesh needs four buffer views, which is less code than a library's objects
would take, and the bytes are ours to keep the same (sorted keys, no time stamps, no library version). Frame: glTF is
y up with the front at +Z, so (x, y, z) becomes (x, z, -y); Blender's importer turns it back into our world.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, UInt8, UInt16
from numpy import ndarray

import limbeck
from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.mesh import Mesh, vertex_normals

FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
ROUGHNESS = 0.8
MAX_SHORT_INDEX = 65534
"""The highest 16-bit index is glTF's primitive restart value and must not name a vertex."""


def write_glb(path: Path, mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None) -> None:
    """Write a GLB whole or not at all; the same arguments give the same bytes.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
        ValueError: if the mesh is empty or the metadata is not JSON.
    """
    write_bytes_atomically(path, encode_glb(mesh, name=name, metadata=metadata))


def encode_glb(mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None) -> bytes:
    """Return the bytes of a GLB: one node, one mesh, one rough white material tinted by linear COLOR_0.

    Args:
        mesh: in Limbeck's world.
        name: of the node, the mesh and the material.
        metadata: JSON values (prompt, seed, recipe, model ids); they stand in ``asset.extras`` and, for Blender's
            custom properties, in the node's ``extras``, both under the key "limbeck".
    """
    if mesh.is_empty:
        raise ValueError("expected a mesh with faces, got an empty one: glTF cannot hold it")
    index_type = np.dtype("<u2") if len(mesh.vertices) - 1 <= MAX_SHORT_INDEX else np.dtype("<u4")
    arrays = [
        ("VEC3", FLOAT, ARRAY_BUFFER, y_up(mesh.vertices).astype("<f4")),
        ("VEC3", FLOAT, ARRAY_BUFFER, y_up(vertex_normals(mesh).astype(np.float32)).astype("<f4")),
        ("VEC4", UNSIGNED_SHORT, ARRAY_BUFFER, linear_colors(mesh.colors_srgb).astype("<u2")),
        (
            "SCALAR",
            UNSIGNED_SHORT if index_type.itemsize == 2 else UNSIGNED_INT,
            ELEMENT_ARRAY_BUFFER,
            mesh.faces.astype(index_type).reshape(-1, 1),
        ),
    ]
    views, accessors, binary = _lay_out(arrays)
    document = _scene(name, dict(metadata or {})) | {
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(binary)}],
    }
    text = json.dumps(document, sort_keys=True, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return _container(text.encode(), binary)


def y_up(vectors: Float32[ndarray, "n 3"]) -> Float32[ndarray, "n 3"]:
    """Turn vectors of our z-up world into glTF's y-up frame: (x, y, z) -> (x, z, -y)."""
    # Adding zero turns -0.0 into 0.0: two bit patterns of one number would break byte-for-byte comparison.
    return np.stack([vectors[:, 0], vectors[:, 2], -vectors[:, 1]], axis=1) + np.float32(0.0)


def srgb_to_linear(srgb: Float[ndarray, "*shape"]) -> Float[ndarray, "*shape"]:
    """Decode sRGB values 0 to 1 to linear light (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_colors(colors_srgb: UInt8[ndarray, "n 4"]) -> UInt16[ndarray, "n 4"]:
    """Convert sRGB bytes to linear normalised 16-bit numbers, which keep all 256 levels apart.

    Opacity is linear already and only widened.
    """
    levels = np.arange(256) / 255.0
    to_linear = np.round(srgb_to_linear(levels) * 65535).astype(np.uint16)
    colors = to_linear[colors_srgb]
    colors[:, 3] = colors_srgb[:, 3].astype(np.uint16) * 257
    return colors


def _lay_out(
    arrays: list[tuple[str, int, int, ndarray]],
) -> tuple[list[dict[str, object]], list[dict[str, object]], bytes]:
    """Return bufferViews, accessors and the binary chunk of arrays (type, component type, target, [n, d] values)."""
    views: list[dict[str, object]] = []
    accessors: list[dict[str, object]] = []
    binary = bytearray()
    for number, (kind, component, target, values) in enumerate(arrays):
        content = values.tobytes()
        views.append({"buffer": 0, "byteOffset": len(binary), "byteLength": len(content), "target": target})
        accessor: dict[str, object] = {
            "bufferView": number,
            "componentType": component,
            "count": len(values),
            "type": kind,
        }
        if number == 0:
            accessor |= {"min": values.min(0).tolist(), "max": values.max(0).tolist()}
        if target == ARRAY_BUFFER and component == UNSIGNED_SHORT:
            accessor["normalized"] = True
        accessors.append(accessor)
        binary += content + b"\0" * (-len(content) % 4)
    return views, accessors, bytes(binary)


def _scene(name: str, metadata: dict[str, object]) -> dict[str, object]:
    """Return everything but the buffers; accessors are numbered as ``encode_glb`` lists them."""
    attributes = {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}
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
        "meshes": [{"name": name, "primitives": [{"attributes": attributes, "indices": 3, "material": 0, "mode": 4}]}],
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
