# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How much memory a run may take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

CGROUP = Path("/sys/fs/cgroup")
"""Where Linux says what a container may take (version 2)."""


@dataclass(frozen=True)
class Room:
    """What a run in this process may take in all, what the process has already included, in MB (10^6 bytes).

    Attributes:
        host_mb: of the host's memory.
        device_mb: of the GPU's; None where there is none of its own.
    """

    host_mb: float
    device_mb: float | None = None


def host_room_mb(cgroup: Path = CGROUP) -> float:
    """Return how large this process may grow: what is free, or less where its container may take less."""
    own = psutil.Process().memory_info().rss
    free = psutil.virtual_memory().available
    limited = container_room_bytes(cgroup)
    return (own + (free if limited is None else min(free, limited))) / 1e6


def container_room_bytes(cgroup: Path) -> int | None:
    """Return what is left of a container's memory, its file cache counting as free; None without a limit."""
    try:
        limit = (cgroup / "memory.max").read_text(encoding="ascii").strip()
        used = int((cgroup / "memory.current").read_text(encoding="ascii"))
        lines = (cgroup / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    if not limit.isdigit():
        return None
    cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return max(0, int(limit) - used + cached)
