# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz what reads a peer's bytes, guided by coverage: python benchmarks/fuzz_atheris.py [CORPUS] [-max_total_time=600].

Needs `pip install atheris` (Linux). The bytes are cut into frames as tests/golden/make_wire.py joins them. Only
ProtocolError may escape, and a client's conversation must swallow whatever a server says.
"""

import shutil
import struct
import sys
import tempfile
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]

with atheris.instrument_imports(include=["limbeck_protocol"]):  # pyright: ignore[reportAttributeAccessIssue]
    from limbeck_protocol.conversation import Conversation
    from limbeck_protocol.envelope import CLIENT_MESSAGES, read_message, write_message
    from limbeck_protocol.errors import ProtocolError
    from limbeck_protocol.frames import decode_packet, request_id_of
    from limbeck_protocol.job import job_from_dict
    from limbeck_protocol.limits import MAX_SPEC_BYTES, MAX_SPEC_DEPTH
    from limbeck_protocol.mesh_codec import mesh_from_arrays
    from limbeck_protocol.messages import Welcome
    from limbeck_protocol.strict_json import load_json_object

CORPUS = Path(__file__).parents[1] / "tests" / "golden" / "wire"
JOB = "01JD7Q0000ABCDEFGHJKMNPQRS"
"""The job of the recorded messages, which the client watches."""


def split(content: bytes) -> list[bytes]:
    """Return the frames, each after its length as four little-endian bytes; the last may be cut off."""
    frames = []
    while len(content) >= 4 and len(frames) < 40:
        (length,) = struct.unpack_from("<I", content)
        frames.append(content[4 : 4 + length])
        content = content[4 + length :]
    return frames


def read_as_server(frames: list[bytes]) -> None:
    """Do what the server does with a client's message, up to the job description."""
    try:
        packet = decode_packet(frames)
        read_message(packet, CLIENT_MESSAGES)
        if "spec" in packet.arrays:
            job_from_dict(load_json_object(packet.arrays["spec"].tobytes(), MAX_SPEC_BYTES, MAX_SPEC_DEPTH))
        mesh_from_arrays(packet.arrays)
    except ProtocolError:
        request_id_of(frames)


def read_as_client(frames: list[bytes]) -> None:
    """Let a connected client that watches a job hear a server's message."""
    client = Conversation("fuzz", "fuzz")
    client.begin(0.0)
    client.receive(write_message(Welcome("epoch", "session", "1")))
    client.watch(JOB, previews=True)
    client.receive(frames)
    client.take_events()


def test_one_input(content: bytes) -> None:
    """Read the bytes from both sides."""
    frames = split(content)
    read_as_server(frames)
    read_as_client(frames)


def main() -> None:
    """Fuzz, by default from the recorded messages."""
    if any(not argument.startswith("-") for argument in sys.argv[1:]):
        atheris.Setup(sys.argv, test_one_input)
        atheris.Fuzz()
        return
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(CORPUS, folder, dirs_exist_ok=True)
        atheris.Setup([*sys.argv, folder], test_one_input)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
