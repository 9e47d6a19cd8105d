# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fuzz a real server over TCP: python benchmarks/fuzz_wire.py [--messages 20000] [--connections 1000].

Every message must get a typed answer and the server's memory must not grow; then raw garbage and half-open handshakes
come to its port while another client pings.
"""

import argparse
import json
import os
import socket as sockets
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import zmq
from hypothesis import HealthCheck, Phase, given, settings

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from limbeck_protocol.envelope import write_message  # noqa: E402
from limbeck_protocol.frames import Header  # noqa: E402
from limbeck_protocol.ids import new_ulid  # noqa: E402
from limbeck_protocol.messages import Hello, Ping  # noqa: E402
from server.harness import RunningServer, running_server  # noqa: E402 # pyright: ignore[reportMissingImports]
from server.test_serving_frames import ask, raw_socket  # noqa: E402 # pyright: ignore[reportMissingImports]
from server.wire_fuzz import Prober, messages  # noqa: E402 # pyright: ignore[reportMissingImports]

WARM_UP = 1000
PINGS = 500
GARBAGE = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", os.urandom(4096), b"\xff\0\0\0\0\0\0\0\x01\x7f\3\1CURVE", b"")


def main() -> None:
    """Run both parts and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--connections", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), "--bind", "tcp://127.0.0.1:*") as server:
        result = {"fuzz": fuzz(server, options.messages), "port": attack_port(server, options.connections)}
    print(json.dumps(result, indent=1))


def fuzz(server: RunningServer, count: int) -> dict:
    """Send messages and return how they were answered and by how much the server grew after warming up."""
    process = psutil.Process(server.process.pid)
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        prober = Prober(socket)
        probe(prober, WARM_UP)
        before, started = process.memory_info().rss, time.monotonic()
        probe(prober, count - WARM_UP)
        seconds = time.monotonic() - started
        grown = process.memory_info().rss - before
    answered = sum(prober.answers.values())
    return {
        "messages": count,
        "answers": answered,
        "grown_mb": round(grown / 1e6, 2),
        "messages_per_s": round((count - WARM_UP) / seconds),
        "by_type": dict(prober.answers.most_common()),
    }


def probe(prober: Prober, count: int) -> None:
    """Send so many messages that Hypothesis makes."""

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much),
        database=None,
        deadline=None,
    )
    @given(frames=messages)
    def send(frames: list[bytes]) -> None:
        prober.send(frames)

    send()


def attack_port(server: RunningServer, connections: int) -> dict:
    """Ping while nothing happens, while garbage comes, and while so many handshakes hang half-way."""
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket, ExitStack() as stack:
        ask(socket, write_message(Hello("bystander", "fuzz"), Header("", id=new_ulid())))
        quiet = ping_ms(socket, lambda _number: None)
        garbage = ping_ms(socket, lambda number: throw_garbage(server, number))

        def connect(number: int) -> None:
            for _ in range(connections // PINGS):
                peer = stack.enter_context(sockets.create_connection(address_of(server), timeout=5))
                peer.sendall(GARBAGE[2][: 5 + number % 10])

        opening = ping_ms(socket, connect)
        held = ping_ms(socket, lambda _number: None)
    names = ("quiet", "garbage", "opening half-open", "holding half-open")
    return {name: figures(ms) for name, ms in zip(names, (quiet, garbage, opening, held), strict=True)}


def ping_ms(socket: zmq.Socket[bytes], disturb) -> list[float]:
    """Return the round trips of PINGS pings, each after a disturbance."""
    taken = []
    for number in range(PINGS):
        disturb(number)
        started = time.perf_counter()
        ask(socket, write_message(Ping(), Header("", id=new_ulid())))
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def throw_garbage(server: RunningServer, number: int) -> None:
    """Connect, send what is no ZMTP, and hang up."""
    with sockets.create_connection(address_of(server), timeout=5) as peer, suppress(OSError):
        peer.sendall(GARBAGE[number % len(GARBAGE)])


def address_of(server: RunningServer) -> tuple[str, int]:
    """Return host and port."""
    host, port = server.place.endpoint.address.removeprefix("tcp://").rsplit(":", 1)
    return host, int(port)


def figures(ms: list[float]) -> dict[str, float]:
    """Return median, p99 and maximum."""
    ordered = sorted(ms)
    p99 = ordered[int(len(ordered) * 0.99)]
    return {"median_ms": round(statistics.median(ms), 3), "p99_ms": round(p99, 3), "max_ms": round(ordered[-1], 3)}


if __name__ == "__main__":
    main()
