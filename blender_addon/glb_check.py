# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a file is a GLB of one mesh, before Blender's importer puts anything of it into the scene. Knows no bpy."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_BYTES = 2 * 1024**3
_HEAD = struct.Struct("<4sII")
_CHUNK = struct.Struct("<I4s")


@dataclass(eq=False)  # an exception must be hashable, and take a traceback
class AssetError(Exception):
    """An asset that cannot be imported, and what to do about it."""

    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


AGAIN = "fetch the job's asset again, or generate again"


def check_glb(file: Path) -> dict[str, Any]:
    """Refuse what is no whole GLB version 2 with exactly one mesh; return what Limbeck has written about the asset.

    Raises:
        AssetError: saying what was expected and what is there.
    """
    try:
        with file.open("rb") as stream:
            size = file.stat().st_size
            document = _document(file, stream.read(_HEAD.size + _CHUNK.size), size, stream)
    except FileNotFoundError as error:
        raise AssetError(f"There is no file {file}", AGAIN) from error
    except OSError as error:
        raise AssetError(f"{file} cannot be read: {error.strerror}", "let Blender read it") from error
    meshes = document.get("meshes", [])
    if not isinstance(meshes, list) or len(meshes) != 1:
        count = len(meshes) if isinstance(meshes, list) else 0
        raise AssetError(f"{file} holds {count} meshes, expected one", "choose an asset that Limbeck has made")
    if _names_other_files(document):
        raise AssetError(f"{file} wants to read other files of this computer", "choose an asset that Limbeck has made")
    try:
        about = document["asset"]["extras"]["limbeck"]
    except (KeyError, TypeError):  # of another program, or without
        return {}
    return about if isinstance(about, dict) else {}


def _names_other_files(document: dict[str, Any]) -> bool:
    """Return whether the importer would read, and Blender then keep, files that a hostile server has chosen."""
    lists = [part for part in (document.get("buffers"), document.get("images")) if isinstance(part, list)]
    addresses = [item["uri"] for part in lists for item in part if isinstance(item, dict) and "uri" in item]
    return any(not str(address).startswith("data:") for address in addresses)


def _document(file: Path, head: bytes, size: int, stream: Any) -> dict[str, Any]:
    """Return the JSON part; its chunk comes first in every GLB."""
    if len(head) < _HEAD.size + _CHUNK.size or head[:4] != b"glTF":
        raise AssetError(f"{file} is no GLB", AGAIN)
    _, version, length = _HEAD.unpack_from(head)
    json_length, kind = _CHUNK.unpack_from(head, _HEAD.size)
    if version != 2:
        raise AssetError(f"{file} is glTF of version {version}, expected 2", "choose an asset that Limbeck has made")
    if length != size or size > MAX_BYTES or kind != b"JSON" or json_length > size:
        raise AssetError(f"{file} is damaged: it should have {length} bytes and has {size}", AGAIN)
    try:
        document = json.loads(stream.read(json_length))
    except (ValueError, RecursionError) as error:
        raise AssetError(f"{file} is damaged: {error}", AGAIN) from error
    if not isinstance(document, dict):
        raise AssetError(f"{file} is damaged: its description is no object", AGAIN)
    return document
