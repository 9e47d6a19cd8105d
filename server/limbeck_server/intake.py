# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whether jobs may be taken and started now: not while the server stops, and not while the disk is full."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from limbeck_protocol.errors import ProtocolError

log = logging.getLogger("limbeck.server")
HOLD_S = 1.0
LOOK_S = 1.0


class Intake:
    """Asked before a job is taken, and before one is started.

    Attributes:
        is_draining: the server stops.
        is_full: there was too little room on the disk when somebody last looked.
    """

    def __init__(self, data_folder: Path, least_free_bytes: int) -> None:
        """Begin open."""
        self._data_folder = data_folder
        self._least_free_bytes = least_free_bytes
        self._held_until = 0.0
        self._look_at = 0.0
        self.is_draining = False
        self.is_full = False

    def is_open(self, now: float) -> bool:
        """Say whether jobs may be started; looks at the disk."""
        if self.is_draining or now < self._held_until:
            return False
        self._look()
        if self.is_full:
            self.hold(now)
        return not self.is_full

    def tend(self, now: float) -> None:
        """Look at the disk once a second, so that the server's state says how it is even where nothing is asked."""
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            self._look()

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

    def require_room(self) -> None:
        """Refuse new jobs while the disk is full; looks at the disk.

        Raises:
            ProtocolError: E_DISK_FULL.
        """
        self._look()
        if self.is_full:
            message = f"expected {self._least_free_bytes} free bytes on the server's disk, got {self._free_bytes()}"
            remedy = f"free some space for {self._data_folder}, or lower least_free_bytes"
            raise ProtocolError("E_DISK_FULL", message, remedy, retryable=True, retry_after_ms=5000)

    def _look(self) -> None:
        free = self._free_bytes()
        was_full, self.is_full = self.is_full, free < self._least_free_bytes
        if self.is_full == was_full:
            return
        extra = {"free_bytes": free, "least_free_bytes": self._least_free_bytes, "folder": str(self._data_folder)}
        if self.is_full:
            log.warning("disk full: no job is taken or started", extra=extra)
        else:
            log.info("disk has room again", extra=extra)

    def _free_bytes(self) -> int:
        try:
            return shutil.disk_usage(self._data_folder).free
        except OSError:  # whatever is wrong will show, with its name, at the next write
            return self._least_free_bytes
