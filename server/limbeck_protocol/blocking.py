# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Waiting, for scripts and commands that have nothing else to do. Not for Blender."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar, cast

from limbeck_protocol.absent import lost_server, no_server, silent_server
from limbeck_protocol.client import Client
from limbeck_protocol.connection import discover
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import ClientEvent, RequestFailed

Event = TypeVar("Event", bound=ClientEvent)
POLL_S = 0.01
PATIENCE_S = 30.0


def connect(app: str, client_id: str, timeout_s: float = 10.0) -> Client:
    """Return a client that is connected to this user's server.

    Raises:
        ProtocolError: E_NO_SERVER if there is none or it does not answer, or the server's refusal.
    """
    client = client_of_server(app, client_id)
    deadline = time.monotonic() + timeout_s
    while client.state != "ready":
        client.pump()
        if client.refusal is not None or time.monotonic() > deadline:
            client.close()
            raise client.refusal or silent_server(client.endpoint, client.reach, timeout_s)
        time.sleep(POLL_S)
    return client


def client_of_server(app: str, client_id: str) -> Client:
    """Return a client that begins to connect to this user's server, or to the one that LIMBECK_CONNECTION names.

    Raises:
        ProtocolError: E_NO_SERVER if there is none, E_CONNECTION_FILE if LIMBECK_CONNECTION names no file.
    """
    endpoint = discover()
    if endpoint is None:
        raise no_server()
    return Client(endpoint, app=app, client_id=client_id, find_endpoint=discover)


def events(client: Client, timeout_s: float | None = None) -> Generator[ClientEvent, None, None]:
    """Yield what happens, waiting for it.

    Raises:
        ProtocolError: the server's refusal, E_NO_SERVER when it has been away for PATIENCE_S, or E_TIMEOUT when
            ``timeout_s`` have passed without an end.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    ready_at = time.monotonic()
    while True:
        if client.state == "ready":
            ready_at = time.monotonic()
        elif time.monotonic() - ready_at > PATIENCE_S:
            raise lost_server(client.endpoint, PATIENCE_S)
        happened = deque(client.pump(0.05))
        is_idle = not happened
        try:
            while happened:
                yield happened.popleft()
        finally:
            client.put_back(happened)  # whoever stops listening here may want the rest later
        if client.refusal is not None:
            raise client.refusal
        if deadline is not None and time.monotonic() > deadline:
            message = f"nothing came in {timeout_s:g} s"
            raise ProtocolError("E_TIMEOUT", message, "see the server's log, or restart it", retryable=True)
        if is_idle:
            time.sleep(POLL_S)


def wait_for(client: Client, predicate: Callable[[ClientEvent], bool], timeout_s: float | None = 30.0) -> ClientEvent:
    """Return the first event that the predicate accepts.

    Raises:
        ProtocolError: if a request fails, the server refuses the client, or E_TIMEOUT.
    """
    with closing(events(client, timeout_s)) as happening:
        for event in happening:
            if predicate(event):
                return event
            if isinstance(event, RequestFailed):
                raise event.error
    raise AssertionError("events() ends only by raising")


def expect(client: Client, kind: type[Event], timeout_s: float | None = 30.0) -> Event:
    """Return the first event of a kind.

    Raises:
        ProtocolError: as ``wait_for`` does.
    """
    event = wait_for(client, lambda event: isinstance(event, kind), timeout_s)
    return cast(Event, event)
