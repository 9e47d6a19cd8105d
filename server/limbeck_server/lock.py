# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One server per folder: a lock that the operating system takes back when its holder ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from limbeck_protocol.errors import ProtocolError

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FolderLock:
    """Holds a folder until it is released."""

    def __init__(self, folder: Path) -> None:
        """Lock the folder.

        Raises:
            ProtocolError: E_SERVER_RUNNING if another server holds it.
        """
        path = folder / "server.lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError as error:
            os.close(self._descriptor)
            message = f"a server is already running; it holds {folder}"
            remedy = "use it (limbeck status), or stop it first"
            raise ProtocolError("E_SERVER_RUNNING", message, remedy) from error

    def release(self) -> None:
        """Let another server have the folder."""
        os.close(self._descriptor)
