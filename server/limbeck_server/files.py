# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Files that are either old or new, never half-written, in folders that only their owner may enter."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from limbeck_protocol.errors import DISK_FULL_ERRNOS, ProtocolError


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace a file: temporary file beside it, fsync, rename, fsync of the folder.

    Raises:
        ProtocolError: E_DISK_FULL or E_FILE; the old file is untouched then.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:  # noqa: PTH123 - the mode
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):  # as on a disk that has become read-only; the first error is what counts
            part.unlink(missing_ok=True)
        raise storage_error(error, path) from error


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the platform can (Windows cannot open folders)."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path, *, mode: int = 0o755) -> Path:
    """Make a folder and its parents if need be.

    Raises:
        ProtocolError: E_DISK_FULL or E_FILE.
    """
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    return folder


def make_private_folder(folder: Path) -> Path:
    """Make a folder that only this user may enter, or check that an existing one is such.

    Raises:
        ProtocolError: E_INSECURE_FOLDER if it is somebody else's or open to others; E_FILE if it cannot be made.
    """
    make_folder(folder.parent)
    make_folder(folder, mode=0o700)
    if sys.platform != "win32":
        status = folder.lstat()
        if status.st_uid != os.getuid() or status.st_mode & 0o077 or not folder.is_dir() or folder.is_symlink():
            message = f"expected {folder} to be a folder that only you may enter (mode 0700), got another"
            raise ProtocolError("E_INSECURE_FOLDER", message, "give a folder of your own with mode 0700")
    return folder


def storage_error(error: OSError, path: Path, what: str = "written") -> ProtocolError:
    """Return the typed error for a file that could not be written, or whatever else was wanted of it."""
    if error.errno in DISK_FULL_ERRNOS:
        remedy = "free some space and submit the job again"
        return ProtocolError("E_DISK_FULL", f"no space left to write {path}", remedy, retryable=True)
    return ProtocolError("E_FILE", f"{path} cannot be {what}: {error.strerror}", "check the path and its permissions")
