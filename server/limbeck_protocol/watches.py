# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Watched jobs, without a socket: events in order, the latest progress, and one preview at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from limbeck_protocol.errors import ProtocolError, error_from_dict
from limbeck_protocol.events import ClientEvent, JobChanged, JobProgress, JobWarning, PreviewMesh, RequestFailed
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Packet
from limbeck_protocol.job import TERMINAL_STATES
from limbeck_protocol.limits import MAX_PREVIEW_BYTES
from limbeck_protocol.mesh_codec import MeshData, mesh_from_arrays, packed_size_bytes, unpack_mesh, unpack_update
from limbeck_protocol.messages import (
    JobEvent,
    JobSnapshot,
    JobUnwatch,
    JobWatch,
    Preview,
    PreviewDone,
    Progress,
)
from limbeck_protocol.ranges import RangeReader

Emit = Callable[[ClientEvent], None]


@dataclass
class Watch:
    """One watched job.

    Attributes:
        request: id of the first request, by which the application knows the watch; ``asked`` is that of the latest.
        seen: number of the newest event that was emitted.
        shown: number of the newest preview that was emitted.
        mesh, topology: of that preview, for updates that come without faces; None if there was none yet.
        pull: the preview that is being pulled.
        owed, owed_at: the credit for a preview that came sooner than wanted, and when to give it back.
        given_at: when the last credit was given back.
    """

    job: str
    previews: bool
    request: str = ""
    asked: str = ""
    seen: int = 0
    state: str = ""
    shown: int = 0
    mesh: MeshData | None = field(default=None, repr=False)
    topology: int | None = None
    pull: RangeReader | None = field(default=None, repr=False)
    owed: PreviewDone | None = None
    owed_at: float = 0.0
    given_at: float = float("-inf")


class Watches:
    """All watched jobs of a client; ``emit`` takes what the application should know.

    Attributes:
        preview_interval_s: the least time between two previews of a job.
    """

    def __init__(self, exchange: Exchange, emit: Emit) -> None:
        self._exchange = exchange
        self._emit = emit
        self._watches: dict[str, Watch] = {}
        self.preview_interval_s = 0.0

    def add(self, job: str, *, previews: bool) -> str:
        """Begin to watch a job."""
        self.remove(job)
        self._watches[job] = watch = Watch(job, previews)
        return self._subscribe(watch)

    def remove(self, job: str) -> None:
        """Stop watching a job, without telling the server."""
        watch = self._watches.pop(job, None)
        if watch is not None:
            self._exchange.forget(watch.asked)
            self._drop_pull(watch)

    def end(self, job: str) -> str:
        """Stop watching a job and tell the server."""
        self.remove(job)
        return self._exchange.ask(JobUnwatch(job), lambda _message, _packet: None, lambda _error: None)

    def resume(self) -> None:
        """Watch again in a new session, from the last event that was seen. Call it before the exchange opens."""
        for watch in self._watches.values():
            self._exchange.forget(watch.asked)
            self._drop_pull(watch)
            watch.owed = None
            watch.shown = 0  # a server that was restarted counts its previews from 1 again
            self._subscribe(watch)

    def tick(self) -> None:
        """Give back the credits that are due."""
        for watch in self._watches.values():
            if watch.owed is not None and self._exchange.now >= watch.owed_at:
                self._give_back(watch, watch.owed)

    def receive(self, packet: Packet, message: Any) -> None:
        """Take a message about a job that the server sent unasked; those about other jobs are ignored."""
        watch = self._watches.get(packet.header.job or "")
        if watch is None:
            return
        if isinstance(message, JobEvent):
            self._on_event(watch, packet.header.seq or 0, message)
        elif isinstance(message, Progress):
            self._emit(JobProgress(watch.job, message.stage, message.step, message.steps, message.message))
        elif isinstance(message, Preview):
            self._on_preview(watch, packet, message)

    def _subscribe(self, watch: Watch) -> str:
        request = JobWatch(watch.job, watch.seen, watch.previews)

        def fail(error: ProtocolError) -> None:
            self.remove(watch.job)
            self._emit(RequestFailed(watch.request, error))

        watch.asked = self._exchange.ask(request, lambda message, _packet: self._on_snapshot(watch, message), fail)
        watch.request = watch.request or watch.asked
        return watch.request

    def _on_snapshot(self, watch: Watch, message: Any) -> None:
        if isinstance(message, JobSnapshot) and self._watches.get(watch.job) is watch and message.state != watch.state:
            self._change(watch, changed_job(message))

    def _on_event(self, watch: Watch, seq: int, event: JobEvent) -> None:
        if seq <= watch.seen:
            return
        watch.seen = seq
        if event.kind == "warning":
            self._emit(JobWarning(watch.job, event.code, event.message))
        elif event.kind == "state":
            error = error_from_dict(event.error) if event.error is not None else None
            self._change(watch, JobChanged(watch.job, event.state, event.step, event.steps, error, event.summary))

    def _change(self, watch: Watch, changed: JobChanged) -> None:
        watch.state = changed.state
        if changed.state in TERMINAL_STATES:
            self.remove(watch.job)
        self._emit(changed)

    def _on_preview(self, watch: Watch, packet: Packet, preview: Preview) -> None:
        seq = packet.header.seq or 0
        self._drop_pull(watch)
        try:
            if preview.inline:
                known = _mesh_at_hand(watch, preview) if preview.update else None
                arrays = dict(packet.arrays) | ({} if known is None else {"faces": known.faces})
                self._show(watch, seq, preview, _with_edges(mesh_from_arrays(arrays), known))
            else:
                self._pull(watch, seq, preview)
        except ProtocolError as error:
            self._refuse_preview(watch, seq, error)

    def _pull(self, watch: Watch, seq: int, preview: Preview) -> None:
        known = _mesh_at_hand(watch, preview) if preview.update else None
        edges = preview.edges or 0
        size = packed_size_bytes(preview.vertices, *((preview.faces, edges) if known is None else (0,)))
        if min(preview.vertices, preview.faces, edges) < 0 or not 0 < size <= MAX_PREVIEW_BYTES:
            raise ProtocolError("E_MESH", f"expected a preview of at most {MAX_PREVIEW_BYTES} bytes, got {size}")
        blob = bytearray()

        def finish() -> None:
            watch.pull = None
            try:
                if zlib.crc32(blob) != preview.crc32:
                    raise ProtocolError("E_CHECKSUM", "expected a preview with the announced checksum, got another")
                v, f = preview.vertices, preview.faces
                mesh = unpack_mesh(v, f, blob, edges) if known is None else unpack_update(v, known.faces, blob)
                self._show(watch, seq, preview, _with_edges(mesh, known))
            except ProtocolError as error:
                self._refuse_preview(watch, seq, error)

        def fail(error: ProtocolError) -> None:
            watch.pull = None
            self._refuse_preview(watch, seq, error)

        watch.pull = RangeReader(
            self._exchange, watch.job, f"preview-{seq}", take=blob.extend, finish=finish, fail=fail
        )
        watch.pull.read(0, size)

    def _show(self, watch: Watch, seq: int, preview: Preview, mesh: MeshData) -> None:
        has_same_faces = preview.update is True and watch.mesh is not None and mesh.faces is watch.mesh.faces
        watch.mesh, watch.topology = mesh, preview.topology
        self._give_back(watch, PreviewDone(watch.job, seq, watch.topology))
        if seq > watch.shown:
            watch.shown = seq
            self._emit(PreviewMesh(watch.job, seq, preview.step, mesh, has_same_faces))

    def _refuse_preview(self, watch: Watch, seq: int, error: ProtocolError) -> None:
        watch.mesh = watch.topology = None
        self._give_back(watch, PreviewDone(watch.job, seq))
        if error.code != "E_SUPERSEDED":
            self._emit(JobWarning(watch.job, error.code, error.message))

    def _give_back(self, watch: Watch, done: PreviewDone) -> None:
        """Ask for the next preview: now, or when it is wanted. Whenever that is, it is the newest there is then."""
        watch.owed, watch.owed_at = done, watch.given_at + self.preview_interval_s
        if self._exchange.now >= watch.owed_at:
            watch.owed, watch.given_at = None, self._exchange.now
            self._exchange.tell(done)

    def _drop_pull(self, watch: Watch) -> None:
        if watch.pull is not None:
            watch.pull.stop()
            watch.pull = None


def _mesh_at_hand(watch: Watch, preview: Preview) -> MeshData:
    """Return the mesh whose faces an update leaves out.

    Raises:
        ProtocolError: E_MESH if they are not those that this client has; it says so and gets a whole mesh next.
    """
    mesh = watch.mesh
    if mesh is None or preview.topology != watch.topology or len(mesh.faces) != preview.faces:
        got = f"one for topology {preview.topology} of {preview.faces} faces"
        raise ProtocolError("E_MESH", f"expected an update of topology {watch.topology}, got {got}")
    return mesh


def _with_edges(mesh: MeshData, known: MeshData | None) -> MeshData:
    """Return an update with the edges that came with its faces."""
    return mesh if known is None else replace(mesh, edges=known.edges, corner_edges=known.corner_edges)


def changed_job(snapshot: JobSnapshot) -> JobChanged:
    """Return the event that a snapshot stands for."""
    error = error_from_dict(snapshot.error) if snapshot.error is not None else None
    return JobChanged(snapshot.job, snapshot.state, snapshot.step, snapshot.steps, error, snapshot.summary)
