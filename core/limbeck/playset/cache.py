# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Renders kept between runs: named after all that decides them, and written whole or not at all."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from limbeck.assets.atomic import DISK_FULL
from limbeck.errors import LimbeckError

VERSION = 1
"""Of the toys, their cameras and the renderer: raise it when the same draws give other pictures, or caches lie."""


def cache_name(kind: str, *decides: Any) -> str:
    """Return a file name that changes with the playset's version and with everything that decides the renders.

    Args:
        kind: how the name begins, for people.
        decides: plain values, such as counts, a seed and the pairs of words to draw from.
    """
    digest = hashlib.sha256(repr((VERSION, decides)).encode()).hexdigest()[:12]
    return f"{kind}-{digest}.safetensors"


def read_cache(path: Path) -> dict[str, ndarray] | None:
    """Return the arrays of a file, or None if there is none; a file that was cut off is removed."""
    if not path.is_file():
        return None
    try:
        return load_file(path)
    except SafetensorError:
        path.unlink(missing_ok=True)
        return None


def write_cache(path: Path, arrays: Mapping[str, ndarray]) -> None:
    """Write arrays for ``read_cache``; two processes that write the same file do not disturb each other.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(dict(arrays), partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        is_full = getattr(error, "errno", None) in DISK_FULL or "No space left" in str(error)
        raise LimbeckError(
            "E_DISK_FULL" if is_full else "E_OUTPUT_UNWRITABLE",
            f"cannot keep renders in {path.parent} ({error})",
            "free some space, or give another folder as --cache",
        ) from error
    finally:
        partial.unlink(missing_ok=True)
