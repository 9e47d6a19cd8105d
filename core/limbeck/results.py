# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Results of long batches: a JSONL file that grows by a row as soon as it is known, and on which a later run goes on.

The first line says what the rows are: {"limbeck": NAME, "version": N, "settings": {...}}. Each row is on the disk
before the next one is begun; a last line that a crash cut off is dropped when the file is opened again. Imports no
torch.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.assets.atomic import DISK_FULL, require_writable, write_bytes_atomically
from limbeck.errors import LimbeckError

Row = Mapping[str, Any]


@dataclass(frozen=True)
class ResultsKind:
    """What a file's rows are.

    Attributes:
        name: of the command that writes them, such as "evaluate".
        version: changes whenever rows would no longer mean the same.
        settings: what makes rows comparable, as plain JSON; a file of other settings is not gone on with.
    """

    name: str
    version: int
    settings: Mapping[str, Any]

    def header(self) -> dict[str, Any]:
        """Return the file's first line as an object."""
        return {"limbeck": self.name, "version": self.version, "settings": dict(self.settings)}


@dataclass(frozen=True)
class Results:
    """A results file at hand; ``open_results`` makes it.

    Attributes:
        path: of the file, whose header is on the disk.
        rows: all so far, those of earlier runs first.
    """

    path: Path
    rows: list[dict[str, Any]]

    def append(self, row: Row) -> None:
        """Write a row to the disk, then count it among ``rows``.

        Raises:
            LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE; what was half written is cut off by the next
                ``open_results``.
            ValueError: for a NaN or an infinity, which JSON does not have.
        """
        line = _line(row)
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            code = "E_DISK_FULL" if error.errno in DISK_FULL else "E_OUTPUT_UNWRITABLE"
            message = f"could not add a result to {self.path} ({error.strerror or error})"
            raise LimbeckError(code, message, "make room there; the same command goes on where it stopped") from error
        self.rows.append(json.loads(line))


def open_results(path: Path, kind: ResultsKind) -> Results:
    """Begin a results file, or go on with one of the same kind.

    Raises:
        LimbeckError: E_RESULTS if the file is something else, of another version or other settings, or damaged before
            its last line: nothing of it is changed then. E_OUTPUT_UNWRITABLE, E_DISK_FULL, E_FILE.
    """
    require_writable(path)
    begun = _line(kind.header())
    content = _read(path)
    if begun.startswith(content):  # nothing yet, or a header that was cut off
        write_bytes_atomically(path, begun)
        return Results(path, [])
    rows, whole = _parsed(path, content, kind)
    if whole != content:
        write_bytes_atomically(path, whole)
    return Results(path, rows)


def read_results(path: Path, name: str, version: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the settings and the rows of a results file without changing it; a torn last line is left out.

    Raises:
        LimbeckError: E_RESULTS, E_FILE.
    """
    if not path.is_file():
        message = f"could not read {path}: {os.strerror(errno.ENOENT)}"
        raise LimbeckError("E_FILE", message, "check the path and its permissions")
    content = _read(path)
    header = _header(path, content)
    _require_version(path, header, name, version)
    settings = header.get("settings")
    if not isinstance(settings, dict):
        raise _refused(path, "settings in its first line", "none")
    return settings, _rows(path, content)[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        message = f"could not read {path}: {error.strerror}"
        raise LimbeckError("E_FILE", message, "check the path and its permissions") from error


def _parsed(path: Path, content: bytes, kind: ResultsKind) -> tuple[list[dict[str, Any]], bytes]:
    header = _header(path, content)
    _require_version(path, header, kind.name, kind.version)
    ours, theirs = json.loads(_line(kind.header()))["settings"], header.get("settings")
    if theirs != ours:
        raise _refused(path, f"settings {json.dumps(ours)}", json.dumps(theirs))
    return _rows(path, content)


def _header(path: Path, content: bytes) -> dict[str, Any]:
    header = _object(content.partition(b"\n")[0])
    if header is None or "limbeck" not in header:
        raise _refused(path, "a file of Limbeck's results", "another file")
    return header


def _require_version(path: Path, header: Row, name: str, version: int) -> None:
    if header["limbeck"] != name:
        raise _refused(path, f"results of limbeck {name}", f"those of {header['limbeck']!r}")
    if header.get("version") != version:
        raise _refused(path, f"results of version {version}", f"version {header.get('version')!r}")


def _rows(path: Path, content: bytes) -> tuple[list[dict[str, Any]], bytes]:
    """Return the rows, and the bytes that hold them: without a last line that was cut off."""
    *lines, last = content.split(b"\n")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        row = _object(line)
        if row is None:
            raise _refused(path, f"a JSON object on line {number}", repr(line[:60].decode(errors="replace")))
        rows.append(row)
    ended = _object(last)
    if ended is None:
        return rows, content[: len(content) - len(last)]
    return [*rows, ended], content + b"\n"


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _line(row: Row) -> bytes:
    return json.dumps(dict(row), allow_nan=False).encode() + b"\n"


def _refused(path: Path, expected: str, came: str) -> LimbeckError:
    remedy = "write to another file, or move this one away to start over"
    return LimbeckError("E_RESULTS", f"expected {expected} in {path}, got {came}", remedy)
