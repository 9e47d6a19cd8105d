# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on each corner of each triangle of Limbeck's own GLB, in the file's order. Knows no bpy.

Blender's importer may drop or reorder faces; painting a mesh that exists already needs them all, in order.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_COMPONENTS = {5126: "<f4", 5123: "<u2", 5125: "<u4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class GlbError(Exception):
    """A file that is no GLB of one mesh; the text says why."""


@dataclass(frozen=True)
class Corners:
    """A mesh, corner by corner.

    Attributes:
        positions: [F,3,3], z up.
        uvs: [F,3,2], v up as in Blender; None without a texture.
        colors: [F,3,4], linear, 0 to 1; None where a texture has them.
        picture: content of the texture's file (PNG or JPEG), or None.
    """

    positions: Floats
    uvs: Floats | None
    colors: Floats | None
    picture: bytes | None


def read_corners(path: Path) -> Corners:
    """Read the one mesh of a GLB.

    Raises:
        GlbError: if it is none.
        OSError: if the file cannot be read.
    """
    try:
        return _corners(*_chunks(path.read_bytes()))
    except (struct.error, ValueError, LookupError, TypeError, AttributeError) as error:
        raise GlbError(f"{path} is no GLB of one mesh: {error}") from error


def _corners(document: dict[str, Any], binary: bytes) -> Corners:
    primitive = document["meshes"][0]["primitives"][0]
    arrays = {name: _array(document, binary, number) for name, number in primitive["attributes"].items()}
    indices = _array(document, binary, primitive["indices"])[:, 0].reshape(-1, 3)
    if indices.size and indices.max() >= len(arrays["POSITION"]):
        raise ValueError("a face names a vertex that is not there")
    shift = np.array(document["nodes"][0].get("translation", (0.0, 0.0, 0.0)), np.float32)
    x, y, z = (arrays["POSITION"] + shift).T
    uvs, colors = arrays.get("TEXCOORD_0"), arrays.get("COLOR_0")
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("it has coordinates that are not numbers")
    return Corners(
        np.stack([x, -z, y], 1).astype(np.float32)[indices],
        None if uvs is None else np.stack([uvs[:, 0], 1 - uvs[:, 1]], 1).astype(np.float32)[indices],
        None if colors is None else (colors / np.float32(65535)).astype(np.float32)[indices],
        _picture(document, binary),
    )


def _chunks(content: bytes) -> tuple[dict[str, Any], bytes]:
    magic, _, _, length, kind = struct.unpack_from("<4sIII4s", content)
    if magic != b"glTF" or kind != b"JSON":
        raise ValueError("it does not begin as one")
    document = json.loads(content[20 : 20 + length])
    start = 20 + length
    size_bytes, kind = struct.unpack_from("<I4s", content, start)
    if kind != b"BIN\0" or start + 8 + size_bytes > len(content):
        raise ValueError("its binary chunk is cut off")
    return document, content[start + 8 : start + 8 + size_bytes]


def _array(document: dict[str, Any], binary: bytes, number: int) -> npt.NDArray[Any]:
    accessor = document["accessors"][number]
    kind, width = np.dtype(_COMPONENTS[accessor["componentType"]]), _WIDTHS[accessor["type"]]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"] + accessor.get("byteOffset", 0)
    return np.frombuffer(binary, kind, accessor["count"] * width, start).reshape(-1, width)


def _picture(document: dict[str, Any], binary: bytes) -> bytes | None:
    surface = document.get("materials", [{}])[0].get("pbrMetallicRoughness", {})
    if "baseColorTexture" not in surface:
        return None
    texture = document["textures"][surface["baseColorTexture"]["index"]]
    view = document["bufferViews"][document["images"][texture["source"]]["bufferView"]]
    return binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
