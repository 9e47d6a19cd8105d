# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Write files whole or not at all: a temporary file in the same folder, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from limbeck.errors import LimbeckError

DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with this content; a failure leaves the old file, or none, and no litter.

    A symbolic link stays a link: what it points at is replaced.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    write_files_atomically({path: content})


def write_files_atomically(contents: Mapping[Path, bytes]) -> None:
    """Replace files that belong together: all of them are on the disk before the first is renamed, in order.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE; then none is replaced, unless a rename itself fails.
    """
    staged: list[tuple[Path, Path, Path]] = []
    try:
        for path, content in contents.items():
            with _reported(path):
                target = _regular(path)
                staged.append((path, _temporary_beside(target), target))
                _write_flushed(staged[-1][1], content)
        for path, temporary, target in staged:
            with _reported(path):
                temporary.replace(target)
    finally:
        for _, temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    for folder in {target.parent for _, _, target in staged}:
        _flush_folder(folder)


def _write_flushed(file_path: Path, content: bytes) -> None:
    with file_path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def require_writable(path: Path) -> None:
    """Refuse early, before minutes of work, what ``write_bytes_atomically`` would refuse at their end.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    with _reported(path):
        target = _regular(path)
        probe = _temporary_beside(target)
        probe.open("xb").close()
        probe.unlink()


def _regular(path: Path) -> Path:
    """Return what a path means; refuse folders, devices and pipes, which a rename would replace."""
    try:
        target = path.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, "its symbolic links run in a circle") from error
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if target.exists() and not target.is_file():
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    return target


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into those that the user can act on."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in DISK_FULL:
            raise LimbeckError(
                "E_DISK_FULL", f"no room to write {path} ({reason})", "free some space, or write elsewhere"
            ) from error
        remedy = "choose a folder that exists and that you may write to"
        raise LimbeckError("E_OUTPUT_UNWRITABLE", f"cannot write {path} ({reason})", remedy) from error


def _temporary_beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.tmp")


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where the platform can open folders (Windows cannot)."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
