# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small private JSON files in the extension's user folder, written whole or not at all. Knows no bpy."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

MAX_FILE_BYTES = 4 * 1024 * 1024


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner may read (mode 0600); the old one stays until the new one is complete.

    Raises:
        OSError: if it cannot be written; nothing is left half done.
    """
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # mkstemp makes it 0600
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        part.replace(file)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def read_list(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON list; none for a missing file. A damaged one is put aside as NAME.damaged."""
    try:
        with file.open("rb") as stream:
            plain = json.loads(stream.read(MAX_FILE_BYTES))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, RecursionError):
        plain = None
    if isinstance(plain, list):
        return [entry for entry in plain if isinstance(entry, dict)]
    if file.is_file():
        file.replace(file.with_suffix(file.suffix + ".damaged"))
    return []


def write_list(file: Path, entries: list[dict[str, Any]]) -> None:
    """Write a JSON list of objects.

    Raises:
        OSError: if it cannot be written.
    """
    write_private(file, json.dumps(entries, ensure_ascii=False, indent=1).encode())
