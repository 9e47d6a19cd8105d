# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The state of a training run as one safetensors file: written whole or not at all, read back bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.errors import LimbeckError

FILE = "checkpoint.safetensors"
SUMMARY = "checkpoint.json"
VERSION = 1


@dataclass(frozen=True)
class Checkpoint:
    """Tensors by name (``parameters/...``, ``averages/...``, ``moments...``), and numbers as plain JSON values."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors below ``name/``, by the rest of their names."""
        prefix = f"{name}/"
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Replace the folder's checkpoint; a failure leaves the last good one.

    The numbers travel inside the tensors' file, since two files could not be replaced together; the JSON beside it
    is for people.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    numbers = json.dumps({"version": VERSION, **checkpoint.numbers}, sort_keys=True)
    tensors = {name: tensor.detach().contiguous() for name, tensor in checkpoint.tensors.items()}
    write_bytes_atomically(folder / FILE, save(tensors, metadata={"numbers": numbers}))
    write_bytes_atomically(folder / SUMMARY, numbers.encode())


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the folder's checkpoint on the CPU, or None where there is none.

    Raises:
        LimbeckError: E_CHECKPOINT_DAMAGED if it is truncated, or not one of ours.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            numbers = json.loads((file.metadata() or {})["numbers"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        if numbers["version"] != VERSION:
            raise ValueError(f"its version is {numbers['version']!r}, not {VERSION}")
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise LimbeckError(
            "E_CHECKPOINT_DAMAGED",
            f"cannot read the checkpoint {path} ({type(error).__name__}: {error})",
            "delete it to start over, or train into another folder",
        ) from error
    return Checkpoint(tensors, numbers)


def require_same(folder: Path, expected: Mapping[str, Any], found: Mapping[str, Any], what: str) -> None:
    """Refuse a checkpoint that another run left.

    Raises:
        LimbeckError: E_CHECKPOINT_MISMATCH, naming what differs.
    """
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    if not names:
        return
    shown = ", ".join(f"{name} {expected.get(name)!r}, not {found.get(name)!r}" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    raise LimbeckError(
        "E_CHECKPOINT_MISMATCH",
        f"the checkpoint in {folder} is of another run: expected {what} {shown}{more}",
        "train into another folder, or ask for what the run began with",
    )
