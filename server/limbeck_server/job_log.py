# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job's own log: lines in a file of its folder, of which the oldest half goes when it grows too long."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

LOG = "log.txt"
log = logging.getLogger("limbeck.server")
MAX_LOG_BYTES = 256 * 1024


def add_lines(folder: Path, lines: Sequence[str]) -> None:
    """Append lines with the time; a log that cannot be written costs nothing but itself."""
    if not lines:
        return
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    text = "".join(f"{now} {' '.join(line.split())}\n" for line in lines)
    path = folder / LOG
    try:
        folder.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
            size = file.tell()
        if size > MAX_LOG_BYTES:
            _halve(path)
    except OSError as error:
        log.warning("job's log not written", extra={"file": str(path), "reason": str(error)})


def read_log(folder: Path, max_bytes: int) -> bytes:
    """Return the end of a job's log, from the beginning of a line on; empty if there is none."""
    try:
        content = (folder / LOG).read_bytes()
    except OSError:
        return b""
    return content if len(content) <= max_bytes else content[-max_bytes:].partition(b"\n")[2]


def _halve(path: Path) -> None:
    path.write_bytes(read_log(path.parent, MAX_LOG_BYTES // 2))
