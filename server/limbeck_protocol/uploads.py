# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Submitting a job: first the blobs that the server lacks, in parts, then the description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.events import ClientEvent, RequestFailed, Submitted
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import Blob, JobSpec, job_blobs, job_to_json
from limbeck_protocol.limits import CHUNK_BYTES
from limbeck_protocol.messages import BlobPut, BlobStored, JobAccepted, JobSubmit

MAX_ROUNDS = 3


class Submission:
    """One job on its way to the server."""

    def __init__(
        self,
        exchange: Exchange,
        emit: Callable[[ClientEvent], None],
        job: JobSpec,
        key: str | None,
        priority: int | None = None,
    ) -> None:
        """Begin to upload.

        Raises:
            JobError: if the description is too large or a blob's content is not at hand.
        """
        self.request = new_ulid()
        self._exchange = exchange
        self._emit = emit
        self._message = JobSubmit(key or self.request, priority)
        self._spec = job_to_json(job)
        self._blobs = job_blobs(job)
        self._rounds = 0
        self._index = 0
        for blob in self._blobs:
            if blob.data is None or len(blob.data) != blob.size_bytes:
                raise JobError("E_SCHEMA", "expected a blob with its content", "make it with blob_of", field="blob")
        self._start_round()

    def _start_round(self) -> None:
        self._rounds += 1
        self._index = 0
        self._put(0)

    def _put(self, offset: int) -> None:
        if self._index == len(self._blobs):
            self._submit()
            return
        blob = self._blobs[self._index]
        part = _part(blob, offset)
        put = BlobPut(blob.sha256, blob.size_bytes, offset)
        self._exchange.ask(put, self._on_stored, self._fail, arrays={"data": part})

    def _on_stored(self, message: Any, _packet: Packet) -> None:
        if not isinstance(message, BlobStored) or message.received < 0:
            self._fail(ProtocolError("E_DECODE", f"expected an answer to an upload, got {message}"))
            return
        if message.complete:
            self._index += 1
        self._put(0 if message.complete else message.received)

    def _submit(self) -> None:
        spec = np.frombuffer(self._spec, np.uint8)
        self._exchange.ask(
            self._message, self._on_accepted, self._on_refused, arrays={"spec": spec}, request=self.request
        )

    def _on_accepted(self, message: Any, _packet: Packet) -> None:
        if isinstance(message, JobAccepted):
            self._emit(Submitted(self.request, message.job))
        else:
            self._fail(ProtocolError("E_DECODE", f"expected an answer to a submission, got {message}"))

    def _on_refused(self, error: ProtocolError) -> None:
        if error.code == "E_BLOB_MISSING" and self._rounds < MAX_ROUNDS:  # the server was restarted in between
            self._start_round()
        else:
            self._fail(error)

    def _fail(self, error: ProtocolError) -> None:
        self._emit(RequestFailed(self.request, error))


def _part(blob: Blob, offset: int) -> np.ndarray:
    data = blob.data or b""
    length = max(0, min(CHUNK_BYTES, len(data) - offset))
    return np.frombuffer(data, np.uint8, length, min(offset, len(data))) if length else np.zeros(0, np.uint8)
