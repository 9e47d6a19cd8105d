# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Any exception as a code, a message and a remedy; the unexpected goes to a log file, never to the terminal."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from limbeck_protocol.errors import DISK_FULL_ERRNOS, ProtocolError
from limbeck_server.settings import state_folder

MAX_LOG_BYTES = 1_000_000
MEMORY_REMEDY = "close other programs, or lower the steps, faces or the recipe's gaussians.count"
SPENT_CODES = ("E_GPU_OOM", "E_OUT_OF_MEMORY")
"""Failures after which the process has no memory to go on with."""


@dataclass(frozen=True)
class Failure:
    """What the user is told; ``is_typed`` where the one who raised it said all of it.

    ``trace_id`` names the line in the log of the server that refused, where one did.
    """

    code: str
    message: str
    remedy: str
    is_typed: bool = False
    trace_id: str | None = None


class FailedJobError(ProtocolError):
    """The error that a job on the server ended with, as against one of the command that asks for it."""


def failure_of(error: BaseException) -> Failure:
    """Return what to tell the user about any exception, in a command and in a worker."""
    code, message, remedy = (getattr(error, name, None) for name in ("code", "message", "remedy"))
    if isinstance(code, str) and isinstance(message, str) and isinstance(remedy, str):
        trace_id = getattr(error, "trace_id", None)
        return Failure(code, message, remedy, is_typed=True, trace_id=trace_id if isinstance(trace_id, str) else None)
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "limbeck"
        return Failure("E_USAGE", error.format_message().rstrip("."), f"run '{command} --help' for its options")
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which this module does not import
        return Failure("E_GPU_OOM", "the device ran out of memory", MEMORY_REMEDY)
    if isinstance(error, MemoryError):
        return Failure("E_OUT_OF_MEMORY", "out of memory", MEMORY_REMEDY)
    if isinstance(error, OSError):
        return _file_failure(error)
    first_line = str(error).partition("\n")[0][:500]
    return Failure("E_INTERNAL", f"{type(error).__name__}: {first_line}", "report it with its traceback")


def _file_failure(error: OSError) -> Failure:
    if error.errno in DISK_FULL_ERRNOS:
        return Failure(
            "E_DISK_FULL", f"no space left to write {error.filename or 'a file'}", "free some space, run again"
        )
    text = f"{error.strerror or error}: {error.filename}" if error.filename else str(error).partition("\n")[0]
    return Failure("E_FILE", text, "check the path and its permissions")


def keep_traceback(error: BaseException) -> str:
    """Append an exception's traceback to ``logs/errors.log`` and return what to do with it."""
    path = state_folder() / "logs" / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_name("errors.log.1"))
        with path.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat()}\n{''.join(traceback.format_exception(error))}\n")
    except OSError:
        return "report it; its traceback could not be logged"
    return f"report it with the traceback in {path}"
