# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Error codes to exit statuses, as docs/commands.md lists them."""

from __future__ import annotations

BAD_INPUT = 2
NO_SERVER = 3
NO_ROOM = 4
JOB_FAILED = 5
INTERRUPTED = 130

STATUSES = {
    NO_SERVER: (
        "E_NO_SERVER",
        "E_VERSION",
        "E_AUTH",
        "E_FORBIDDEN",
        "E_NO_ANSWER",
        "E_WORKER_START",
        "E_TIMEOUT",
        "E_CONNECTION_FILE",
        "E_RAY",
        "E_NETWORK",
        "E_OFFLINE",
        "E_NO_SESSION",
        "E_QUOTA",
        "E_QUEUE_FULL",
        "E_UNKNOWN_TYPE",
        "E_DECODE",
        "E_FRAMING",
        "E_FRAME_SIZE",
        "E_TOO_MANY_FRAMES",
        "E_HEADER_TOO_LARGE",
    ),
    NO_ROOM: ("E_DISK_FULL", "E_MEMORY", "E_OUT_OF_MEMORY", "E_GPU_OOM"),
    JOB_FAILED: (
        "E_INTERNAL",
        "E_UNKNOWN",
        "E_WORKER_LOST",
        "E_WORKER_CRASH",
        "E_SERVER_STOPPED",
        "E_ENGINE",
        "E_DIVERGED",
        "E_NOT_FINITE",
        "E_EMPTY",
        "E_CHECKSUM",
    ),
    INTERRUPTED: ("E_CANCELLED", "E_INTERRUPTED"),
}
"""Every code that is not named here is bad input, unless a job on the server failed with it."""


def exit_status(code: str, *, is_failed_job: bool = False) -> int:
    """Return the exit status for an error code of a command, or of the job on the server that it waited for."""
    status = next((status for status, codes in STATUSES.items() if code in codes), BAD_INPUT)
    return status if not is_failed_job or status in (NO_ROOM, INTERRUPTED) else JOB_FAILED
