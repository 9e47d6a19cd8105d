# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The recorded messages, played to a real server and to a real client, as an older or newer peer would send them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import zmq

from golden.make_wire import FOLDER, split
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.events import Disconnected
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.messages import Failure, Hello, Ping, Pong, Welcome
from server.harness import TRANSPORTS, RunningServer, running_server
from server.play import Play
from server.test_serving_frames import ask, raw_socket

ANSWERS = {
    "hello": "welcome",
    "ping": "pong",
    "job.submit": "job.accepted",
    "job.cancel": "E_NOT_FOUND",
    "job.pause": "E_NOT_FOUND",
    "job.resume": "E_NOT_FOUND",
    "job.finish": "E_NOT_FOUND",
    "job.move": "E_NOT_FOUND",
    "job.retry": "E_NOT_FOUND",
    "job.fork": "E_NOT_FOUND",
    "job.log": "E_NOT_FOUND",
    "job.checkpoints": "E_NOT_FOUND",
    "job.estimate": "job.estimate.reply",
    "top": "top.reply",
    "job.watch": "E_NOT_FOUND",
    "job.unwatch": "E_NOT_FOUND",
    "status": "status.reply",
    "blob.open": "E_NOT_FOUND",
    "blob.read": "E_NOT_FOUND",
    "blob.put": "E_CHECKSUM",
    "bye": None,
    "preview.done": None,
}
"""What a server that knows none of the recorded jobs says to each."""
PATHS = sorted(FOLDER.glob("*.bin"))


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that has heard nothing before: others may have begun to upload what was recorded."""
    with running_server(tmp_path_factory.mktemp("s"), *TRANSPORTS[request.param]) as running:
        yield running


def type_of(path: Path) -> str:
    return decode_packet(split(path.read_bytes())).header.t


@pytest.mark.parametrize("path", [p for p in PATHS if type_of(p) in ANSWERS], ids=lambda path: path.stem)
def test_a_server_answers_what_was_recorded(server: RunningServer, path: Path) -> None:
    expected = ANSWERS[type_of(path)]
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        assert isinstance(ask(socket, write_message(Hello("golden", "test"), Header("", id="h"))), Welcome)
        frames = split(path.read_bytes())
        if expected is None:
            socket.send_multipart(frames)
            answer = ask(socket, write_message(Ping(), Header("", id="p")))
            is_ended = type_of(path) == "bye"
            assert isinstance(answer, Failure if is_ended else Pong)
            return
        answer = ask(socket, frames)
        got = answer.code if isinstance(answer, Failure) else type(answer)
        assert got == SERVER_MESSAGES.get(expected, expected)


@pytest.mark.parametrize("path", [p for p in PATHS if type_of(p) in SERVER_MESSAGES], ids=lambda path: path.stem)
def test_a_client_takes_what_was_recorded(path: Path) -> None:
    play = Play()
    play.watch()
    play.client.receive(split(path.read_bytes()))
    events = play.client.take_events()
    assert play.client.state == ("reconnecting" if type_of(path) == "bye" else "ready")
    assert any(isinstance(event, Disconnected) for event in events) == (type_of(path) == "bye")


def test_every_client_message_has_an_expected_answer() -> None:
    assert ANSWERS.keys() == CLIENT_MESSAGES.keys()
    assert {type_of(path) for path in PATHS} == CLIENT_MESSAGES.keys() | SERVER_MESSAGES.keys()
    assert read_message(decode_packet(split((FOLDER / "ping.bin").read_bytes())), CLIENT_MESSAGES) == Ping()
