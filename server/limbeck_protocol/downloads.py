# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fetching a job's file: a temporary file beside the target, ranges in order, SHA-256, then a rename.

A lost connection does no harm: the ranges that are missing are asked for again. With ``keep_part`` neither does the end
of this process: the next download of the same content to the same place goes on where this one stopped.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from limbeck_protocol.errors import DISK_FULL_ERRNOS, ProtocolError
from limbeck_protocol.events import ClientEvent, Downloaded, RequestFailed
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Packet
from limbeck_protocol.limits import CHUNK_BYTES, MAX_ARTIFACT_BYTES
from limbeck_protocol.messages import BlobOpen, BlobOpened
from limbeck_protocol.ranges import RangeReader


class Download:
    """One file on its way. The target changes only when the whole file has come and its hash is right."""

    def __init__(
        self,
        exchange: Exchange,
        emit: Callable[[ClientEvent], None],
        what: tuple[str, str],
        path: Path,
        *,
        keep_part: bool = False,
    ) -> None:
        """Ask for ``what``, a job and its artifact."""
        self._emit = emit
        self._exchange = exchange
        self._job, self._artifact = what
        self._path = path
        self._keep_part = keep_part
        self._hash = hashlib.sha256()
        self._expected = ""
        self._file: BinaryIO | None = None
        self._reader: RangeReader | None = None
        self.is_ended = False
        self.request = exchange.ask(BlobOpen(*what), self._on_opened, self._fail)
        self._part = path.with_name(f".{path.name}.{self.request}.part")

    def stop(self) -> None:
        """Give up and leave nothing behind, or only the part that is to be kept."""
        self.is_ended = True
        if self._reader is not None:
            self._reader.stop()
        if self._file is not None:
            self._file.close()
            if not self._keep_part:
                self._part.unlink(missing_ok=True)
            self._file = None

    def _on_opened(self, message: Any, _packet: Packet) -> None:
        if not isinstance(message, BlobOpened) or not 0 < message.size <= MAX_ARTIFACT_BYTES:
            self._fail(ProtocolError("E_DECODE", f"expected a file of 1 to {MAX_ARTIFACT_BYTES} bytes, got {message}"))
            return
        self._expected = message.sha256
        try:
            start = self._open_part(message)
        except OSError as error:
            self._fail(file_error(error, self._path))
            return
        self._reader = RangeReader(
            self._exchange, self._job, self._artifact, take=self._write, finish=self._finish, fail=self._fail
        )
        self._reader.read(start, message.size)

    def _open_part(self, opened: BlobOpened) -> int:
        """Open the temporary file and return how much of the content it holds already."""
        if not self._keep_part:
            self._file = self._part.open("xb")
            return 0
        name = hashlib.sha256(opened.sha256.encode()).hexdigest()[:16]  # the server's word never becomes a name
        self._part = self._path.with_name(f".{self._path.name}.{name}.part")
        self._file = self._part.open("a+b")
        self._file.truncate(min(self._part.stat().st_size, opened.size - 1))  # the last range always comes
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            self._hash.update(chunk)
        return self._file.tell()

    def _write(self, chunk: bytes) -> None:
        if self._file is None:
            raise ProtocolError("E_INTERNAL", "a chunk came after its file was closed")
        self._hash.update(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise file_error(error, self._path) from error

    def _finish(self) -> None:
        if self._hash.hexdigest() != self._expected:
            message = "expected a file with the announced SHA-256, got another"
            self._keep_part = False
            self._fail(ProtocolError("E_CHECKSUM", message, "fetch it again", retryable=True))
            return
        try:
            self._put_in_place()
        except OSError as error:
            self._fail(file_error(error, self._path))
            return
        self.is_ended = True
        self._emit(Downloaded(self.request, self._job, self._path))

    def _put_in_place(self) -> None:
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._path)
            self._file = None

    def _fail(self, error: ProtocolError) -> None:
        self.stop()
        self._emit(RequestFailed(self.request, error))


def file_error(error: OSError, path: Path) -> ProtocolError:
    """Return the typed error for a file that could not be written."""
    if error.errno in DISK_FULL_ERRNOS:
        return ProtocolError("E_DISK_FULL", f"no space left to write {path}", "free some space and try again")
    return ProtocolError("E_FILE", f"{path} cannot be written: {error.strerror}", "choose a path that can be written")
