# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An asset library on disk: its catalogs, and the name of a new file in it. Knows no bpy."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

from .private_files import write_private

CATALOG = "Limbeck"
CATALOGS_FILE = "blender_assets.cats.txt"
_HEADER = "# This is an Asset Catalog Definition file for Blender.\n\nVERSION 1\n\n"
_LINE = re.compile(r"^([0-9a-fA-F-]{36}):([^:]*):(.*)$")


def catalog_id(library: Path, path: str) -> str:
    """Return the UUID of a catalog of a library, which is added to its file where it is not there yet.

    Raises:
        OSError: if the library cannot be read or written; its file is as before then.
    """
    path = "/".join(part.strip() for part in path.replace(":", "-").split("/") if part.strip()) or CATALOG
    file = library / CATALOGS_FILE
    text = _read(file) if file.is_file() else _HEADER
    for line in text.splitlines():
        found = _LINE.match(line.strip())
        if found and found.group(2) == path:
            return found.group(1)
    added = str(uuid.uuid4())
    text += "" if text.endswith("\n") else "\n"
    text += f"{added}:{path}:{path.replace('/', '-')}\n"
    mode = file.stat().st_mode & 0o777 if file.is_file() else 0o644
    write_private(file, text.encode())
    file.chmod(mode)  # a library may be shared
    return added


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise OSError(0, f"{file.name} is damaged: mend it or move it away") from error


def new_file(library: Path, title: str) -> Path:
    """Return a path in a library that is free, named like the asset in letters that every system takes."""
    stem = re.sub(r"[^\w-]+", "-", title, flags=re.UNICODE).strip("-")[:60] or "limbeck"
    found, number = library / f"{stem}.blend", 1
    while found.exists():
        number += 1
        found = library / f"{stem}-{number}.blend"
    return found
