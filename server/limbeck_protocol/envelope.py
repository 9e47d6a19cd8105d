# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Typed messages in their envelopes: a literal table says which type name means which dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Frame, Header, Packet, encode_packet
from limbeck_protocol.typed import from_plain, to_plain

CLIENT_MESSAGES: dict[str, type] = {
    "hello": m.Hello,
    "ping": m.Ping,
    "bye": m.Bye,
    "job.submit": m.JobSubmit,
    "job.cancel": m.JobCancel,
    "job.pause": j.JobPause,
    "job.resume": j.JobResume,
    "job.finish": j.JobFinish,
    "job.move": j.JobMove,
    "job.retry": j.JobRetry,
    "job.fork": j.JobFork,
    "job.log": j.JobLog,
    "job.checkpoints": j.JobCheckpoints,
    "job.estimate": j.JobEstimate,
    "top": j.Top,
    "job.watch": m.JobWatch,
    "job.unwatch": m.JobUnwatch,
    "preview.done": m.PreviewDone,
    "status": m.StatusRequest,
    "blob.open": m.BlobOpen,
    "blob.read": m.BlobRead,
    "blob.put": m.BlobPut,
}
"""What a client sends."""

SERVER_MESSAGES: dict[str, type] = {
    "welcome": m.Welcome,
    "pong": m.Pong,
    "bye": m.Bye,
    "job.accepted": m.JobAccepted,
    "job.snapshot": m.JobSnapshot,
    "job.log.reply": j.JobLogReply,
    "job.checkpoints.reply": j.JobCheckpointsReply,
    "job.estimate.reply": j.JobEstimateReply,
    "top.reply": j.TopReply,
    "job.event": m.JobEvent,
    "job.progress": m.Progress,
    "job.preview": m.Preview,
    "status.reply": m.StatusReply,
    "blob.opened": m.BlobOpened,
    "blob.chunk": m.BlobChunk,
    "blob.stored": m.BlobStored,
    "error": m.Failure,
}
"""What the server sends."""

TYPE_NAMES = {cls: name for table in (CLIENT_MESSAGES, SERVER_MESSAGES) for name, cls in table.items()}


def write_message(
    message: object,
    header: Header | None = None,
    arrays: Mapping[str, NDArray] | None = None,
    names: Mapping[type, str] = TYPE_NAMES,
) -> list[bytes]:
    """Return the frames of a typed message; ``header`` gives all but type and body, ``names`` the type's name.

    Raises:
        ProtocolError: if it would exceed a limit of the wire.
    """
    return [bytes(frame) for frame in write_views(message, header, arrays, names)]


def write_views(
    message: object,
    header: Header | None = None,
    arrays: Mapping[str, NDArray] | None = None,
    names: Mapping[type, str] = TYPE_NAMES,
) -> list[Frame]:
    """Return the frames as ``write_message`` does, those of arrays as views: they must not change until it is sent.

    Raises:
        ProtocolError: if it would exceed a limit of the wire.
    """
    header = header or Header("")
    fields = {name: getattr(header, name) for name in ("id", "re", "sid", "job", "att", "seq", "ts")}
    return encode_packet(Header(names[type(message)], **fields, body=to_plain(message)), arrays)


def read_message(packet: Packet, table: Mapping[str, type]) -> Any:
    """Return the typed body of a packet.

    Raises:
        ProtocolError: E_UNKNOWN_TYPE or E_SCHEMA.
    """
    cls = table.get(packet.header.t)
    if cls is None:
        raise ProtocolError("E_UNKNOWN_TYPE", f"expected a message of {len(table)} types, got {packet.header.t[:64]}")
    return from_plain(cls, packet.header.body)
