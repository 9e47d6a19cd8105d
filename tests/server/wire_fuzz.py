# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Messages that are almost right, for a server that has to answer each; shared by the tests and the benchmark."""

import dataclasses
import json
import zlib
from collections import Counter
from typing import Any

import numpy as np
import zmq
from hypothesis import strategies as st

from golden.make_wire import FOLDER, split
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import PREFIX, Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import job_to_dict
from limbeck_protocol.messages import BlobPut, Failure, Hello, JobSubmit, Ping
from server.strategies import buffers, jobs, objects, of_type, text, tokens, values

Frames = list[bytes]
RECORDED = [split(path.read_bytes()) for path in sorted(FOLDER.glob("*.bin"))]
ODD = st.sampled_from(["", "\0", "../../etc/passwd", "a" * 3000, "\u202e", 2**63, -1, 1e300, [], {}, None, True])
SILENT = ("bye", "preview.done")
"""Requests without an answer."""


@st.composite
def well_formed(draw: st.DrawFn) -> Frames:
    """Messages of a known type, every field of the right type but of any value."""
    message = draw(st.sampled_from([*CLIENT_MESSAGES.values()]).flatmap(of_type))
    arrays = {"data": np.frombuffer(draw(st.binary(max_size=40)), np.uint8)} if draw(st.booleans()) else {}
    header = Header("", id=draw(tokens), job=draw(st.none() | text), seq=draw(st.none() | st.integers(-5, 2**40)))
    return write_message(message, header, arrays)


@st.composite
def with_a_wrong_body(draw: st.DrawFn) -> Frames:
    """Messages of a known type whose body lacks fields, or has odd ones."""
    name = draw(st.sampled_from([*CLIENT_MESSAGES]))
    fields = [field.name for field in dataclasses.fields(CLIENT_MESSAGES[name])]
    body = draw(st.dictionaries(st.sampled_from([*fields, "extra"]), values | ODD, max_size=5))
    header: dict[str, Any] = {"t": name, "id": draw(tokens), "body": body}
    header |= draw(st.dictionaries(st.sampled_from(["t", "id", "re", "bufs", "body", "ts", "att"]), values, max_size=1))
    return [PREFIX, json.dumps(header).encode("utf-8", "replace")]


@st.composite
def submissions(draw: st.DrawFn) -> Frames:
    """Job descriptions with odd values in them, or with files that were never uploaded; none can be accepted."""
    spec = job_to_dict(draw(jobs))
    spec["references"] = [{"image": {"sha256": draw(st.binary(min_size=32, max_size=32)).hex(), "size_bytes": 5}}]
    for name in draw(st.lists(st.sampled_from([*spec, "references", "rig", "init"]), max_size=2)):
        spec[name] = draw(values | ODD)
    if not spec.get("references"):
        spec["prompt"] = ""
    encoded = json.dumps(spec).encode("utf-8", "replace")
    content = draw(st.sampled_from([encoded, encoded[: len(encoded) // 2], zlib.compress(encoded), b"[" * 5000]))
    return write_message(
        JobSubmit(draw(tokens)), Header("", id=draw(tokens)), {"spec": np.frombuffer(content, np.uint8)}
    )


@st.composite
def uploads(draw: st.DrawFn) -> Frames:
    """Parts of files that are not what they say."""
    put = BlobPut(
        draw(st.sampled_from(["0" * 64, "f" * 64, "../x"]) | text),
        draw(st.integers(-1, 2**34)),
        draw(st.integers(-1, 99)),
    )
    return write_message(put, Header("", id=draw(tokens)), draw(buffers | st.just({"data": np.zeros(3, np.uint8)})))


@st.composite
def damaged(draw: st.DrawFn) -> Frames:
    """Recorded messages of either side with bytes changed, frames cut, lost, doubled or exchanged."""
    frames = list(draw(st.sampled_from(RECORDED)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(frames) - 1))
        frame = bytearray(frames[at])
        kind = draw(st.sampled_from(["flip", "cut", "lose", "double", "swap", "insert"]))
        if kind == "flip" and frame:
            frame[draw(st.integers(0, len(frame) - 1))] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            frame = frame[: draw(st.integers(0, len(frame)))]
        elif kind == "insert":
            frame[draw(st.integers(0, len(frame))) :] += draw(st.binary(max_size=20))
        frames[at] = bytes(frame)
        if kind == "lose" and len(frames) > 1:
            del frames[at]
        elif kind == "double":
            frames.insert(at, frames[at])
        elif kind == "swap":
            frames[at], frames[-1] = frames[-1], frames[at]
    return frames


headers = st.fixed_dictionaries({"t": text, "id": tokens | text, "body": objects}).map(
    lambda header: [PREFIX, json.dumps(header).encode("utf-8", "replace")]
)
garbage = st.lists(st.binary(max_size=200), min_size=1, max_size=40)
prefixed = garbage.map(lambda frames: [PREFIX, *frames])
messages = st.one_of(
    well_formed(), with_a_wrong_body(), submissions(), uploads(), damaged(), headers, prefixed, garbage
)  # fmt: skip


class Prober:
    """Sends a message and insists on a typed answer; ``answers`` counts them by type or code."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        self._socket = socket
        self.answers: Counter[str] = Counter()
        self.send(write_message(Hello("fuzz", "fuzz"), Header("", id=new_ulid())))

    def send(self, frames: Frames) -> None:
        """Send and wait for the answer; one that has none is followed by a ping."""
        self._socket.send_multipart(frames)
        if _is_silent(frames):
            self._socket.send_multipart(write_message(Ping(), Header("", id=new_ulid())))
        answer = self._answer()
        if isinstance(answer, Failure) and answer.code == "E_NO_SESSION":  # a bye was among them
            self._socket.send_multipart(write_message(Hello("fuzz", "fuzz"), Header("", id=new_ulid())))
            self._answer()

    def _answer(self) -> Any:
        assert self._socket.poll(30_000), "no answer"
        packet = decode_packet(self._socket.recv_multipart())
        answer = read_message(packet, SERVER_MESSAGES)
        self.answers[answer.code if isinstance(answer, Failure) else packet.header.t] += 1
        if isinstance(answer, Failure):
            assert answer.message
            assert answer.remedy
            assert answer.code != "E_INTERNAL", answer
        return answer


def _is_silent(frames: Frames) -> bool:
    try:
        packet = decode_packet(frames)
        read_message(packet, CLIENT_MESSAGES)
    except ProtocolError:
        return False
    return packet.header.t in SILENT
