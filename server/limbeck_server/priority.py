# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A worker takes what is left of the processors: its server answers at once, and so do the user's other programs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil

NICENESS = 5


def give_way(server_pid: int) -> None:
    """Lower the priority of this process below its server's; on Linux only of this thread and those that it starts.

    Where Linux shares the processors among sessions first (autogroups), the worker's own session has to give way too.
    """
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return
    os.nice(NICENESS)
    with suppress(OSError):  # another system, another kernel, or not allowed
        theirs = niceness_in(Path(f"/proc/{server_pid}/autogroup").read_text())
        Path("/proc/self/autogroup").write_text(f"{min(19, theirs + NICENESS)}")


def niceness_in(text: str) -> int:
    """Return the niceness in a line like "/autogroup-25 nice 5"; 0 for the empty one of a session without a group."""
    return int((text.split() or ["0"])[-1])
