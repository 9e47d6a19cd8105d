# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether jobs may be started now: not while the server stops, and not while the disk is full."""

from __future__ import annotations

import shutil
from pathlib import Path

from limbeck_protocol.errors import ProtocolError

HOLD_S = 1.0


class Intake:
    """Asked before a job is started.

    Attributes:
        is_draining: the server stops.
        is_full: there was too little room on the disk when somebody last looked.
    """

    def __init__(self, data_folder: Path, least_free_bytes: int) -> None:
        """Begin open."""
        self._data_folder = data_folder
        self._least_free_bytes = least_free_bytes
        self._held_until = 0.0
        self.is_draining = False
        self.is_full = False

    def is_open(self, now: float) -> bool:
        """Say whether jobs may be started; looks at the disk."""
        if self.is_draining or now < self._held_until:
            return False
        self.is_full = self._free_bytes() < self._least_free_bytes
        if self.is_full:
            self.hold(now)
        return not self.is_full

    def hold(self, now: float) -> None:
        """Start nothing for a moment."""
        self._held_until = now + HOLD_S

    def require_open(self) -> None:
        """Refuse new jobs while the server stops.

        Raises:
            ProtocolError: E_DRAINING.
        """
        if self.is_draining:
            message, remedy = "the server is stopping and takes no more jobs", "submit again when it is back"
            raise ProtocolError("E_DRAINING", message, remedy, retryable=True, retry_after_ms=5000)

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._data_folder).free
        except OSError:  # whatever is wrong will show, with its name, at the next write
            return self._least_free_bytes
