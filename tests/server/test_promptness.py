# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client's answer does not wait for what others asked in the same turn of the server's loop."""

import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import zmq

from limbeck_protocol.connection import Endpoint
from limbeck_protocol.envelope import write_message
from limbeck_protocol.frames import Header
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.messages import Hello, Ping, StatusRequest
from limbeck_server.requests import HANDLERS
from server.in_process import service
from server.test_serving_frames import ask, socket_to

PATIENCE_S = 5.0


def greeted(endpoint: Endpoint, context: zmq.Context, name: str) -> zmq.Socket:
    socket = socket_to(endpoint, context)
    ask(socket, write_message(Hello(name, "test"), Header("", id=new_ulid())))
    return socket


def test_an_answer_leaves_before_the_next_request_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    have_both_asked, has_one_heard = threading.Event(), threading.Event()
    waited: list[bool] = []
    answer_ping, answer_status = HANDLERS[Ping], HANDLERS[StatusRequest]

    def ping_when_both_wait(*request):
        have_both_asked.wait(PATIENCE_S)
        return answer_ping(*request)

    def status_when_the_pong_is_out(*request):
        waited.append(has_one_heard.wait(PATIENCE_S))
        return answer_status(*request)

    monkeypatch.setitem(HANDLERS, Ping, ping_when_both_wait)
    monkeypatch.setitem(HANDLERS, StatusRequest, status_when_the_pong_is_out)
    with service(tmp_path, monkeypatch) as endpoint, zmq.Context() as context, ExitStack() as stack:
        one, other = (stack.enter_context(closing(greeted(endpoint, context, name))) for name in ("one", "other"))
        one.send_multipart(write_message(Ping(), Header("", id=new_ulid())))
        time.sleep(0.1)  # the loop is in the ping now
        other.send_multipart(write_message(StatusRequest(), Header("", id=new_ulid())))
        time.sleep(0.1)
        have_both_asked.set()
        assert one.poll(2000 * PATIENCE_S)
        has_one_heard.set()
        assert other.poll(2000 * PATIENCE_S)
    assert waited == [True]
