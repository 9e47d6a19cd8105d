# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting, for scripts and commands that have nothing else to do. Not for Blender."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from limbeck_protocol.client import Client
from limbeck_protocol.connection import connection_file, discover
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import ClientEvent, RequestFailed

POLL_S = 0.01


def connect(app: str, client_id: str, timeout_s: float = 10.0) -> Client:
    """Return a client that is connected to this user's server.

    Raises:
        ProtocolError: E_NO_SERVER if there is none or it does not answer, or the server's refusal.
    """
    endpoint = discover()
    if endpoint is None:
        message = f"no server is running: {connection_file()} names none"
        raise ProtocolError("E_NO_SERVER", message, "start one with: limbeck serve", retryable=True)
    client = Client(endpoint, app=app, client_id=client_id, find_endpoint=discover)
    deadline = time.monotonic() + timeout_s
    while client.state != "ready":
        client.pump()
        if client.refusal is not None or time.monotonic() > deadline:
            client.close()
            raise client.refusal or _silent(endpoint.address, timeout_s)
        time.sleep(POLL_S)
    return client


def events(client: Client, timeout_s: float | None = None) -> Iterator[ClientEvent]:
    """Yield what happens, waiting for it.

    Raises:
        ProtocolError: the server's refusal, or E_TIMEOUT when ``timeout_s`` have passed without an end.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        happened = client.pump(0.05)
        yield from happened
        if client.refusal is not None:
            raise client.refusal
        if deadline is not None and time.monotonic() > deadline:
            message = f"nothing came in {timeout_s:g} s"
            raise ProtocolError("E_TIMEOUT", message, "see the server's log, or restart it", retryable=True)
        if not happened:
            time.sleep(POLL_S)


def wait_for(client: Client, predicate: Callable[[ClientEvent], bool], timeout_s: float | None = 30.0) -> ClientEvent:
    """Return the first event that the predicate accepts.

    Raises:
        ProtocolError: if a request fails, the server refuses the client, or E_TIMEOUT.
    """
    for event in events(client, timeout_s):
        if predicate(event):
            return event
        if isinstance(event, RequestFailed):
            raise event.error
    raise AssertionError("events() ends only by raising")


def _silent(address: str, timeout_s: float) -> ProtocolError:
    message = f"the server at {address} did not answer within {timeout_s:g} s"
    return ProtocolError("E_NO_SERVER", message, "restart it with: limbeck serve", retryable=True)
