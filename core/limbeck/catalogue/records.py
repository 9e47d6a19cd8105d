# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What was pulled: a small file per model that says which commit, which files and which hashes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote, unquote

import platformdirs

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.errors import LimbeckError

LAYOUT = 1


@dataclass(frozen=True)
class RecordedFile:
    """A file of a model.

    Attributes:
        path: in the repository.
        size_bytes: its length.
        sha256: of its content.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """A model that was pulled.

    Attributes:
        name: alias or model id.
        repo, commit: where it came from.
        folder: the snapshot in the hub's cache.
        files: all that was pulled.
    """

    name: str
    repo: str
    commit: str
    folder: Path
    files: tuple[RecordedFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def records_folder() -> Path:
    """Return where records lie: beside the server's jobs, in LIMBECK_DATA_DIR or the platform's data folder."""
    return Path(os.environ.get("LIMBECK_DATA_DIR") or platformdirs.user_data_dir("limbeck", appauthor=False)) / "models"


def write_record(record: Record) -> None:
    """Keep a record.

    Raises:
        LimbeckError: E_DISK_FULL, E_OUTPUT_UNWRITABLE.
    """
    path = _path(record.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = {"layout": LAYOUT, **asdict(record), "folder": str(record.folder)}
    write_bytes_atomically(path, json.dumps(plain, indent=1).encode())


def read_record(name: str) -> Record | None:
    """Return the record of an alias or model id, or None where nothing was pulled.

    Raises:
        LimbeckError: E_MODEL_RECORD if the file is damaged.
    """
    path = _path(name)
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        files = tuple(RecordedFile(**file) for file in plain["files"])
        return Record(plain["name"], plain["repo"], plain["commit"], Path(plain["folder"]), files)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"the record of {name} is damaged: {error}"
        raise LimbeckError("E_MODEL_RECORD", message, f"limbeck models pull {name}") from error


def forget(name: str) -> None:
    """Remove a record, if there is one."""
    _path(name).unlink(missing_ok=True)


def recorded_names() -> tuple[str, ...]:
    """Return the aliases and ids that have a record."""
    return tuple(sorted(unquote(path.stem) for path in records_folder().glob("*.json")))


def _path(name: str) -> Path:
    return records_folder() / f"{quote(name, safe='')}.json"
