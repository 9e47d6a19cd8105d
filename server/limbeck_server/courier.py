# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Brings an attempt its files and takes away what it makes: nothing to do where worker and server share a disk."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoAnswerError
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.job import job_blobs
from limbeck_protocol.limits import CHUNK_BYTES
from limbeck_server.files import make_folder, storage_error, sync_folder
from limbeck_server.mailbox import Order
from limbeck_server.remote_messages import FetchPart, Part, PartRefused, PartStored, PutPart

BESIDE_CHECKPOINTS = (".json", ".bin")
WINDOW = 4
"""Parts that may be on their way at a time."""
PATIENCE_S = 120.0

Answer = Future[tuple[Any, Packet]]
Ask = Callable[[object, Order, dict[str, NDArray] | None], Answer]
"""Sends a message about an attempt and returns where the answer will be."""


class Courier(Protocol):
    """What an attempt needs of whoever knows where the server's files are."""

    def fetch(self, order: Order) -> None:
        """Bring the files that the attempt begins with."""
        ...

    def deliver(self, order: Order, files: Sequence[str]) -> None:
        """Take files of the attempt's folder to the server; it has them when this returns."""
        ...


class LocalCourier:
    """For a worker on its server's disk."""

    def fetch(self, order: Order) -> None:
        """Do nothing: they are there."""

    def deliver(self, order: Order, files: Sequence[str]) -> None:
        """Do nothing: the server finds them where they are."""


class RemoteCourier:
    """For a worker on another machine; ``fetch`` keeps what jobs need in one folder, by its SHA-256."""

    def __init__(self, ask: Ask, note: Callable[[], None]) -> None:
        """Begin.

        Args:
            ask: see Ask.
            note: called whenever something has moved.
        """
        self._ask = ask
        self._note = note
        self._kept: Path | None = None

    def fetch(self, order: Order) -> None:
        """Bring the job's blobs, and the newest checkpoint that is whole; forget the files of other jobs.

        Raises:
            ProtocolError: whatever the server says; E_CHECKSUM, E_DISK_FULL, E_FILE, E_NO_ANSWER.
            ConnectionLostError: if the server is gone or another.
        """
        self._make_room(order)
        for blob in job_blobs(order.spec):
            self._bring(order, blob.sha256)
        for checkpoint in order.resume:
            try:
                self._bring(order, checkpoint.sha256)
            except ProtocolError as error:
                if error.code not in ("E_CHECKSUM", "E_NOT_FOUND"):
                    raise
            else:
                return

    def deliver(self, order: Order, files: Sequence[str]) -> None:
        """Take files of the attempt's folder to the server.

        Raises:
            ProtocolError: whatever the server says; E_NO_ANSWER.
            ConnectionLostError: if the server is gone or another.
        """
        for name in files:
            path = order.folder / name
            sha256 = self._take(order, path)
            if path.suffix == ".safetensors":
                self._keep(order, path, sha256)
            elif path.suffix in BESIDE_CHECKPOINTS:
                path.unlink()

    def _keep(self, order: Order, checkpoint: Path, sha256: str) -> None:
        """Keep a checkpoint that the server has, in case the job comes back here, and forget the one before."""
        before, self._kept = self._kept, order.blobs / sha256
        checkpoint.replace(self._kept)
        if before not in (None, self._kept):
            before.unlink(missing_ok=True)

    def _make_room(self, order: Order) -> None:
        """Make the attempt's folders, and remove what other jobs left in them."""
        self._kept = None
        wanted = {blob.sha256 for blob in job_blobs(order.spec)} | {file.sha256 for file in order.resume}
        shutil.rmtree(order.folder.parent, ignore_errors=True)
        make_folder(order.folder)
        for path in make_folder(order.blobs).iterdir():
            if path.name.removesuffix(".part") not in wanted:
                path.unlink(missing_ok=True)

    def _bring(self, order: Order, sha256: str) -> None:
        """Fetch a file, from where an earlier attempt at that was cut short."""
        target = order.blobs / sha256
        part = order.blobs / f"{sha256}.part"
        if target.exists():
            return
        try:
            with part.open("ab") as file:
                self._receive(order, sha256, file)
                file.flush()
                os.fsync(file.fileno())
            with part.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                part.unlink()
                raise ProtocolError("E_CHECKSUM", f"the file {sha256[:12]} came as another", "try the job again")
            part.replace(target)
            sync_folder(order.blobs)
        except OSError as error:
            raise storage_error(error, part) from error

    def _receive(self, order: Order, sha256: str, file: Any) -> None:
        while True:
            offset = file.tell()
            message, packet = self._answer(self._ask(FetchPart(sha256, offset), order, None))
            data = packet.arrays.get("data")
            if not isinstance(message, Part) or message.offset != offset:
                raise ProtocolError("E_DECODE", f"expected a part of a file, got {message}")
            if data is not None:
                file.write(data.data)
            if data is None or file.tell() >= message.size:
                return

    def _take(self, order: Order, path: Path) -> str:
        """Send a file, and return its SHA-256."""
        waiting: deque[Answer] = deque()
        with path.open("rb") as file:
            sha256, size = hashlib.file_digest(file, "sha256").hexdigest(), file.tell()
            for offset in range(0, size, CHUNK_BYTES):
                file.seek(offset)
                data = np.frombuffer(file.read(CHUNK_BYTES), np.uint8)
                waiting.append(self._ask(PutPart(path.name, size, sha256, offset), order, {"data": data}))
                if len(waiting) >= WINDOW:
                    self._answer(waiting.popleft())
        while waiting:
            message, _packet = self._answer(waiting.popleft())
            if not waiting and not (isinstance(message, PartStored) and message.is_complete):
                raise ProtocolError("E_DECODE", f"expected the server to have {path.name}, got {message}")
        return sha256

    def _answer(self, answer: Answer) -> tuple[Any, Packet]:
        try:
            message, packet = answer.result(PATIENCE_S)
        except NoAnswerError as error:
            text = f"the server did not answer within {PATIENCE_S:.0f} s"
            raise ProtocolError("E_NO_ANSWER", text, "look at the server's log", retryable=True) from error
        self._note()
        if isinstance(message, PartRefused):
            raise ProtocolError(message.code, message.message, message.remedy)
        return message, packet
