# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The peak memory of a process, which every platform counts in its own way."""

from __future__ import annotations

import sys

import psutil


def peak_memory_mb(process: psutil.Process) -> float:
    """Return the largest resident set so far of this very process, in MB (10^6 bytes)."""
    if sys.platform == "win32":
        return process.memory_info().peak_wset / 1e6
    import resource  # noqa: PLC0415 - there is none on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
