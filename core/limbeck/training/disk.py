# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Typed errors for what libraries write to disk themselves: model folders, tokenizers, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from limbeck.assets.atomic import DISK_FULL, require_writable
from limbeck.errors import LimbeckError


@contextmanager
def reported_writes(folder: Path, remedy: str = "free some space, or choose another folder") -> Iterator[None]:
    """Turn whatever is raised while ``folder`` is written to into an error with a remedy.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        # Neither safetensors nor shutil, which gathers the errors of a tree, keeps the number.
        is_full = getattr(error, "errno", None) in DISK_FULL or "No space left" in str(error)
        code = "E_DISK_FULL" if is_full else "E_OUTPUT_UNWRITABLE"
        raise LimbeckError(code, f"cannot write to {folder} ({error})", remedy) from error


def require_writable_folder(folder: Path) -> None:
    """Make the folder and refuse, before minutes of work, one that cannot be written to.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    with suppress(OSError):  # require_writable says why
        folder.mkdir(parents=True, exist_ok=True)
    require_writable(folder / "card.json")
