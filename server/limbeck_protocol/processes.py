# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether another process of this user still runs, with the standard library alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def is_running(pid: int) -> bool:
    """Say whether a process with this id exists; a zombie counts as gone where that can be told."""
    if pid <= 0:
        return False
    if sys.platform == "win32":
        return _is_running_on_windows(pid)
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the latter from a damaged file: no process has such a number
        return False
    except PermissionError:
        return True
    return _linux_stat(pid)[:1] != ["Z"]


def process_start(pid: int) -> int:
    """Return when the process started, in clock ticks since boot; 0 where that is not known (only Linux tells)."""
    fields = _linux_stat(pid)
    return int(fields[19]) if len(fields) > 19 else 0


def _linux_stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat after the command's name, which may hold spaces; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _is_running_on_windows(pid: int) -> bool:
    # os.kill(pid, 0) would send CTRL_C_EVENT there, so the process is asked through its handle
    import ctypes  # noqa: PLC0415

    synchronize, wait_timeout = 0x00100000, 0x102
    kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    handle = kernel32.OpenProcess(synchronize, False, pid)
    if not handle:
        return ctypes.get_last_error() == 5  # type: ignore[attr-defined]  # access denied: it exists
    try:
        return kernel32.WaitForSingleObject(handle, 0) == wait_timeout
    finally:
        kernel32.CloseHandle(handle)
