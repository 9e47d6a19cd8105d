# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fetching the mesh that a job had at a step: into memory, in ranges, checked before anyone sees it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import ClientEvent, RequestFailed, StepMesh
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Packet
from limbeck_protocol.limits import MAX_PREVIEW_BYTES
from limbeck_protocol.mesh_codec import packed_size_bytes, unpack_mesh
from limbeck_protocol.messages import BlobOpen, BlobOpened
from limbeck_protocol.ranges import RangeReader


def mesh_name(step: int) -> str:
    """Return what the mesh of a step is called among a job's artifacts."""
    return f"mesh-{step}"


class MeshDownload:
    """One mesh on its way. A lost connection does no harm: ranges that are missing are asked for again."""

    def __init__(self, exchange: Exchange, emit: Callable[[ClientEvent], None], job: str, step: int) -> None:
        """Ask for the mesh."""
        self._emit = emit
        self._exchange = exchange
        self._job, self._step = job, step
        self._blob = bytearray()
        self._opened = BlobOpened(0, "", "")
        self._reader: RangeReader | None = None
        self.is_ended = False
        self.request = exchange.ask(BlobOpen(job, mesh_name(step)), self._on_opened, self._fail)

    def stop(self) -> None:
        """Give up."""
        self.is_ended = True
        self._exchange.forget(self.request)
        if self._reader is not None:
            self._reader.stop()

    def _on_opened(self, message: Any, _packet: Packet) -> None:
        if not isinstance(message, BlobOpened) or not _is_mesh(message):
            expected = f"expected a mesh of 1 to {MAX_PREVIEW_BYTES} bytes with its counts"
            self._fail(ProtocolError("E_DECODE", f"{expected}, got {message}", "update the server"))
            return
        self._opened = message
        self._reader = RangeReader(
            self._exchange,
            self._job,
            mesh_name(self._step),
            take=self._blob.extend,
            finish=self._finish,
            fail=self._fail,
        )
        self._reader.read(0, message.size)

    def _finish(self) -> None:
        opened = self._opened
        try:
            if hashlib.sha256(self._blob).hexdigest() != opened.sha256:
                message = "expected a mesh with the announced SHA-256, got another"
                raise ProtocolError("E_CHECKSUM", message, "fetch it again", retryable=True)
            mesh = unpack_mesh(opened.vertices or 0, opened.faces or 0, self._blob, opened.edges or 0)
        except ProtocolError as error:
            self._fail(error)
            return
        self.is_ended = True
        self._emit(StepMesh(self.request, self._job, self._step, mesh))

    def _fail(self, error: ProtocolError) -> None:
        self.stop()
        self._emit(RequestFailed(self.request, error))


def _is_mesh(opened: BlobOpened) -> bool:
    """Say whether the announced size is that of the announced counts, and one that may be loaded into memory."""
    counts = (opened.vertices, opened.faces, opened.edges or 0)
    known = [count for count in counts if count is not None and count >= 0]
    return (
        len(known) == len(counts) and 0 < opened.size <= MAX_PREVIEW_BYTES and opened.size == packed_size_bytes(*known)
    )
