# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The peak memory of this process, which every platform counts in its own way."""

from __future__ import annotations

import sys

import psutil


def peak_memory_mb() -> float:
    """Return the largest resident set of this process since it started, in MB (10^6 bytes).

    A worker runs one job after the other: its figure is the peak of all of them, not of the last one.
    """
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 1e6
    import resource  # noqa: PLC0415 - there is none on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
