# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server that the test plays: it takes one job and says of it whatever the test wants, true or not."""

import json
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from limbeck_protocol import job_messages as j
from limbeck_protocol import messages as m
from limbeck_protocol.connection import connection_file
from limbeck_protocol.envelope import CLIENT_MESSAGES, read_message, write_message
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.limits import CHUNK_BYTES
from limbeck_protocol.lines import ServerState


class HostileServer:
    """Answers what the extension asks; `turn` is called between its pumps.

    Attributes:
        job: the one that was submitted.
        blob: what a preview that is pulled consists of.
    """

    def __init__(self, folder: Path) -> None:
        self.job = new_ulid()
        self.blob = b""
        self.heard: list[Any] = []
        self._seq = 0
        self._identity = b""
        self._socket = zmq.Context.instance().socket(zmq.ROUTER)
        self._socket.bind(f"ipc://{folder}/s")
        connection_file().parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        connection_file().write_text(json.dumps({"schema": 1, "address": f"ipc://{folder}/s", "pid": os.getpid()}))
        connection_file().chmod(0o600)

    def turn(self) -> None:
        """Answer everything that has come."""
        while self._socket.poll(0):
            self._identity, *frames = self._socket.recv_multipart()
            packet = decode_packet(frames)
            message = read_message(packet, CLIENT_MESSAGES)
            self.heard.append(message)
            answer, arrays = self._answer(message)
            if answer is not None:
                self.say(answer, Header("", re=packet.header.id), arrays)

    def say(self, message: object, header: Header | None = None, arrays: dict | None = None) -> None:
        self.say_frames(write_message(message, header, arrays))

    def say_frames(self, frames: list[bytes]) -> None:
        self._socket.send_multipart([self._identity, *frames])

    def preview(self, arrays: dict[str, np.ndarray]) -> None:
        """Offer a mesh as it is, in the message itself."""
        counts = len(arrays.get("vertices", ())), len(arrays.get("faces", ()))
        self.say(m.Preview(1, *counts, True), self._header(), arrays)

    def large_preview(self, vertices: int, faces: int, blob: bytes) -> None:
        """Offer a mesh to be pulled."""
        self.blob = blob
        self.say(m.Preview(1, vertices, faces, False, zlib.crc32(blob)), self._header())

    def close(self) -> None:
        self._socket.close(linger=0)
        connection_file().unlink()

    def _header(self) -> Header:
        self._seq += 1
        return Header("", job=self.job, seq=self._seq)

    def _answer(self, message: Any) -> tuple[Any, dict | None]:
        match message:
            case m.Hello():
                return m.Welcome("epoch", "session", "1", recipes=("limbeck",)), None
            case m.Ping():
                return m.Pong("epoch"), None
            case m.JobSubmit():
                return m.JobAccepted(self.job, "queued"), None
            case m.JobWatch():
                return m.JobSnapshot(self.job, "running", step=1, steps=9), None
            case m.StatusRequest():
                return m.StatusReply(ServerState("busy", "epoch", "1"), ()), None
            case j.JobCheckpoints():
                return j.JobCheckpointsReply(self.job), None
            case m.BlobRead(blob=blob, offset=offset, length=length):
                data = np.frombuffer(self.blob, np.uint8)[offset : offset + min(length, CHUNK_BYTES)]
                return m.BlobChunk(blob, offset), {"data": data}
        return None, None
