# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Files that cross the wire because their worker has another disk: into an attempt's folder, and out to the worker.

What comes in counts only once it is whole, is what its SHA-256 says, and is on the disk; where that takes long it is
done in a thread. Names are checked against a list of kinds, sizes against a cap.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import job_blobs
from limbeck_protocol.limits import CHUNK_BYTES, MIB
from limbeck_server.blobs import BlobStore
from limbeck_server.files import storage_error, sync_folder
from limbeck_server.jobs import Job
from limbeck_server.remote_messages import FetchPart, Part, PartStored, PutPart
from limbeck_server.store import Store

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(safetensors|json|bin|glb|obj|ply|zip)\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")
MAX_JSON_BYTES = 64 * 1024
MAX_OPEN = 2
"""Files of one attempt that may be on their way: one of a checkpoint, and the asset."""

Key = tuple[str, int, str]


@dataclass
class Delivery:
    """A file of which the first ``received`` bytes have come."""

    put: PutPart
    part: Path
    received: int = 0
    digest: Any = field(default_factory=hashlib.sha256)


class Deliveries:
    """What remote workers bring for the attempts that they have, and fetch for them."""

    def __init__(self, store: Store, blobs: BlobStore, max_bytes: int, least_free_bytes: int) -> None:
        """Begin with nothing on its way.

        Args:
            store, blobs: where files are.
            max_bytes: that an attempt's folder may hold, besides what has been taken out of it as asset or checkpoint.
            least_free_bytes: that must be left on the disk.
        """
        self._store = store
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._least_free_bytes = least_free_bytes
        self._open: dict[Key, Delivery] = {}
        self._finishing: list[tuple[Future[None], Delivery, Callable[[PartStored | ProtocolError], None]]] = []
        self._thread = ThreadPoolExecutor(1, "deliveries")

    def put(
        self, job: Job, request: PutPart, data: NDArray | None, answer: Callable[[PartStored | ProtocolError], None]
    ) -> None:
        """Append a part; ``answer`` is called now, or by ``settle`` once the whole file is on the disk.

        Raises:
            ProtocolError: E_SCHEMA, E_QUOTA, E_CHECKSUM, E_DISK_FULL or E_FILE; the file is forgotten then.
        """
        key = (job.id, job.attempt, request.file)
        content = b"" if data is None else data.tobytes()
        delivery = self._begin(job, key, request) if request.offset == 0 else self._open.get(key)
        if delivery is None or (delivery.received, delivery.put.size) != (request.offset, request.size):
            self._drop(key)
            raise ProtocolError("E_SCHEMA", "expected the parts of a file in order, got another", field="offset")
        try:
            self._append(delivery, content)
        except ProtocolError:
            self._drop(key)
            raise
        if delivery.received < request.size:
            answer(PartStored(delivery.received, False))
            return
        del self._open[key]
        self._finishing.append((self._thread.submit(_finish, delivery), delivery, answer))

    def settle(self) -> None:
        """Answer for the files that have become whole since."""
        waiting = []
        for future, delivery, answer in self._finishing:
            if not future.done():
                waiting.append((future, delivery, answer))
                continue
            error = future.exception()
            answer(error if isinstance(error, ProtocolError) else PartStored(delivery.received, True))
        self._finishing = waiting

    @property
    def is_settling(self) -> bool:
        """Whether a file is being made durable."""
        return bool(self._finishing)

    def close(self) -> None:
        """Wait for what is being made durable."""
        self._thread.shutdown()

    def fetch(self, job: Job, request: FetchPart) -> tuple[Part, NDArray]:
        """Return a part of a file that the job needs.

        Raises:
            ProtocolError: E_NOT_FOUND for any other file, or one that is gone; E_SCHEMA.
        """
        path = self._needed(job).get(request.sha256)
        if path is None:
            raise _missing(request.sha256)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not 0 <= request.offset <= size:
                    message = f"expected an offset of 0 to {size}, got {request.offset}"
                    raise ProtocolError("E_SCHEMA", message, field="offset")
                file.seek(request.offset)
                return Part(request.offset, size), np.frombuffer(file.read(CHUNK_BYTES), np.uint8)
        except OSError as error:
            raise _missing(request.sha256) from error

    def _needed(self, job: Job) -> dict[str, Path]:
        home = self._store.folder(job.id)
        files = {blob.sha256: self._blobs.folder / blob.sha256 for blob in job_blobs(job.spec)}
        return files | {checkpoint.sha256: home / checkpoint.file for checkpoint in job.checkpoints}

    def _begin(self, job: Job, key: Key, request: PutPart) -> Delivery:
        self._drop(key)
        self._forget_the_gone()
        if not is_deliverable(request.file, request.sha256):
            message = f"expected a file's name and SHA-256, got {request.file[:64]!r}"
            raise ProtocolError("E_SCHEMA", message, field="file")
        folder = self._store.attempt_folder(job)
        if sum(1 for known in self._open if known[:2] == key[:2]) >= MAX_OPEN:
            raise ProtocolError("E_QUOTA", f"expected at most {MAX_OPEN} files at a time, got another")
        announced = sum(delivery.put.size for known, delivery in self._open.items() if known[:2] == key[:2])
        room = MAX_JSON_BYTES if request.file.endswith(".json") else self._max_bytes
        if not 0 < request.size <= min(room, self._max_bytes - announced - _whole_bytes(folder)):
            message = (
                f"expected a file that fits the {self._max_bytes // MIB} MB of an attempt, got {request.size} bytes"
            )
            raise ProtocolError("E_QUOTA", message, "raise max_worker_mb at the server")
        if shutil.disk_usage(folder).free < request.size + self._least_free_bytes:
            remedy = "free some space on the server"
            raise ProtocolError("E_DISK_FULL", f"no space left for {request.size} bytes", remedy, retryable=True)
        self._open[key] = Delivery(request, folder / f"{request.file}.part")
        return self._open[key]

    def _append(self, delivery: Delivery, content: bytes) -> None:
        if not content or delivery.received + len(content) > delivery.put.size:
            message = f"expected {delivery.put.size - delivery.received} bytes at most, got {len(content)}"
            raise ProtocolError("E_SCHEMA", message, field="data")
        try:
            with delivery.part.open("ab" if delivery.received else "wb") as file:
                file.write(content)
        except OSError as error:
            raise storage_error(error, delivery.part) from error
        delivery.digest.update(content)
        delivery.received += len(content)

    def _drop(self, key: Key) -> None:
        known = self._open.pop(key, None)
        if known is not None:
            known.part.unlink(missing_ok=True)

    def _forget_the_gone(self) -> None:
        """Forget what attempts left half-way that have ended; their folders are gone already."""
        self._open = {key: delivery for key, delivery in self._open.items() if delivery.part.parent.is_dir()}


def is_deliverable(file: str, sha256: str) -> bool:
    """Say whether a remote worker may bring a file of this name and hash."""
    return NAME.match(file) is not None and SHA256.match(sha256) is not None


def _finish(delivery: Delivery) -> None:
    """Make a file durable and give it its name."""
    if delivery.digest.hexdigest() != delivery.put.sha256:
        delivery.part.unlink(missing_ok=True)
        raise ProtocolError("E_CHECKSUM", "expected content with the announced SHA-256, got another", "send it again")
    try:
        with delivery.part.open("rb+") as file:
            os.fsync(file.fileno())
        delivery.part.replace(delivery.part.with_suffix(""))
        sync_folder(delivery.part.parent)
    except OSError as error:
        raise storage_error(error, delivery.part) from error


def _whole_bytes(folder: Path) -> int:
    """Return what lies in an attempt's folder, but for what is on its way."""
    try:
        return sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".part")
    except OSError as error:
        raise storage_error(error, folder) from error


def _missing(sha256: str) -> ProtocolError:
    return ProtocolError("E_NOT_FOUND", f"the job has no file {sha256[:12]!r}", "submit the job again")
