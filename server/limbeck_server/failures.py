# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Any exception as a code, a message and a remedy; the unexpected goes to a log file, never to the terminal."""

from __future__ import annotations

import errno
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import platformdirs


@dataclass(frozen=True)
class Failure:
    """What the user is told."""

    code: str
    message: str
    remedy: str


def failure_of(error: BaseException) -> Failure:
    """Return what to tell the user about any exception."""
    code, message, remedy = (getattr(error, name, None) for name in ("code", "message", "remedy"))
    if isinstance(code, str) and isinstance(message, str) and isinstance(remedy, str):
        return Failure(code, message, remedy)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "limbeck"
        return Failure("E_USAGE", error.format_message().rstrip("."), f"run '{command} --help' for its options")
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return Failure("E_OUT_OF_MEMORY", "out of memory", "close other programs, or lower gaussians.count with --set")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Failure("E_DISK_FULL", f"no space left for {error.filename or 'a file'}", "free some space, run again")
    if isinstance(error, OSError):
        text = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        return Failure("E_FILE", text, "check the path and its permissions")
    return _unexpected(error)


def _unexpected(error: BaseException) -> Failure:
    text = "".join(traceback.format_exception(error))
    folder = Path(platformdirs.user_log_dir("limbeck", appauthor=False))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "errors.log"
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat()}\n{text}\n")
        remedy = f"report it with the traceback in {path}"
    except OSError:
        remedy = "report it; its traceback could not be logged"
    return Failure("E_INTERNAL", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}", remedy)
