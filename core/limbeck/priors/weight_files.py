# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Safetensors files by their headers alone: whether they are whole, and which weights they hold. Imports no torch.

A file is the length of its header (8 bytes, little-endian), the header (JSON: each weight's type, shape and place),
and the weights.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from limbeck.catalogue.choosing import PICKLES
from limbeck.errors import LimbeckError

LENGTH_BYTES = 8
MOST_HEADER_BYTES = 100_000_000
"""As the format's own library has it."""
LFS_POINTER = b"version "
"""How the text begins that git leaves where a large file was not fetched."""
AGAIN = "download the folder again, whole (limbeck models pull does so for those of the catalogue)"


def require_weights(folder: Path, role: str) -> None:
    """Refuse a folder without weights as safetensors, or with one that is not whole.

    Raises:
        LimbeckError: E_MODEL_UNSAFE if there are pickles alone, E_MODEL_INCOMPLETE for all else.
    """
    paths = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    where = f"the {role} model's {folder.name}"
    if not paths:
        pickles = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLES)
        if pickles:
            message = f"{where} has its weights as pickles alone, which can run code: {', '.join(pickles[:3])}"
            raise LimbeckError("E_MODEL_UNSAFE", message, "use a copy of the model with safetensors")
        raise LimbeckError("E_MODEL_INCOMPLETE", f"{where} has no weights as safetensors", AGAIN)
    missing = [name for index in folder.glob("*.safetensors.index*.json") for name in _missing_shards(index, role)]
    if missing:
        raise LimbeckError("E_MODEL_INCOMPLETE", f"{where} lacks {', '.join(missing[:3])}", AGAIN)
    for path in paths:
        problem = damage(path)
        if problem:
            raise LimbeckError("E_MODEL_INCOMPLETE", f"{where}/{path.name} {problem}", AGAIN)


def damage(path: Path) -> str:
    """Return what is wrong with a file's length or header, or "" if it is whole; its weights are not read."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(LENGTH_BYTES)
        if start == LFS_POINTER:
            return "is a pointer that git left in place of the weights (git lfs pull fetches them)"
        length = int.from_bytes(start, "little")
        if size < LENGTH_BYTES or length > min(size - LENGTH_BYTES, MOST_HEADER_BYTES):
            return f"is cut off or no safetensors file ({size} bytes)"
        try:
            weights = _weights(json.loads(file.read(length)))
            expected = LENGTH_BYTES + length + max((entry["data_offsets"][1] for entry in weights.values()), default=0)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            return "has a damaged header"
    return "" if size == expected else f"has {size} bytes, its header says {expected}"


def shapes_in(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every weight of a folder's safetensors, or of one such file; they must be whole."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in [folder] if folder.is_file() else sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(LENGTH_BYTES), "little")))
        shapes |= {name: tuple(entry["shape"]) for name, entry in _weights(header).items()}
    return shapes


def object_in(path: Path, role: str) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if it is missing or holds something else.
    """
    where = f"{path.parent.name}/{path.name}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise LimbeckError("E_MODEL_INCOMPLETE", f"the {role} model lacks {where}", AGAIN) from error
    except (OSError, ValueError, RecursionError) as error:
        raise LimbeckError("E_MODEL_INCOMPLETE", f"the {role} model's {where} is damaged ({error})", AGAIN) from error
    if not isinstance(content, dict):
        message = f"expected an object in the {role} model's {where}, got {type(content).__name__}"
        raise LimbeckError("E_MODEL_INCOMPLETE", message, AGAIN)
    return content


def _weights(header: dict[str, Any]) -> dict[str, Any]:
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


def _missing_shards(index: Path, role: str) -> list[str]:
    """Return the shards that an index names and its folder lacks."""
    names = object_in(index, role).get("weight_map", {})
    return sorted({name for name in names.values() if not (index.parent / name).is_file()})
