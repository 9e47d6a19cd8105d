# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Measure the wire: python benchmarks/wire.py codec|images|ipc|slow|mixed|curve [--seconds N] [--megabytes M].

One JSON object for each. The server and its worker are real, the engine only shows meshes. The processes share one
machine with the clients that measure, so that latencies hold the waiting for a processor as well.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import numpy as np
import zmq

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(ROOT), str(ROOT / "tests")]
os.environ["PYTHONPATH"] = str(HERE)  # the worker imports its engine from here

from fuzz_wire import figures  # noqa: E402
from wire_engine import grid  # noqa: E402
from wire_watchers import Watcher, summary, watch, watching  # noqa: E402

from limbeck.errors import LimbeckError  # noqa: E402
from limbeck_protocol.client import Client  # noqa: E402
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message, write_message, write_views  # noqa: E402
from limbeck_protocol.frames import Header, decode_packet  # noqa: E402
from limbeck_protocol.ids import new_ulid  # noqa: E402
from limbeck_protocol.job import JobSpec, job_to_json  # noqa: E402
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, mesh_from_arrays  # noqa: E402
from limbeck_protocol.messages import (  # noqa: E402
    BlobPut,
    Hello,
    JobCancel,
    JobSubmit,
    Ping,
    Preview,
    StatusRequest,
)
from limbeck_server.decoder import PictureDecoder  # noqa: E402
from server.harness import (  # noqa: E402 # pyright: ignore[reportMissingImports]
    RunningServer,
    connected,
    running_server,
    submit,
)
from server.test_decoder import REFUSED, disc, encoded  # noqa: E402 # pyright: ignore[reportMissingImports]
from server.test_serving_frames import ask, raw_socket  # noqa: E402 # pyright: ignore[reportMissingImports]

TCP = ("--bind", "tcp://127.0.0.1:*")
CLIENTS = 64


def codec(_options: argparse.Namespace) -> dict:
    """Encode and decode a mesh of 50,000 vertices as one message: faces in two buffers, for a buffer holds 1 MiB."""
    mesh = MeshData(*grid(224))
    arrays = mesh_arrays(mesh)
    faces = arrays.pop("faces")
    arrays |= {"faces": faces[: len(faces) // 2], "more faces": faces[len(faces) // 2 :]}
    preview, header = Preview(1, len(mesh.vertices), len(faces), True), Header("", id=new_ulid(), job=new_ulid(), seq=7)
    frames = [bytes(frame) for frame in write_views(preview, header, arrays)]
    return {
        "vertices": len(mesh.vertices),
        "megabytes": round(sum(map(len, frames)) / 1e6, 2),
        "encode": timed(lambda: write_views(preview, header, arrays)),
        "encode with a copy": timed(lambda: write_message(preview, header, arrays)),
        "decode": timed(lambda: read_message(decode_packet(frames), SERVER_MESSAGES)),
        "check the mesh": timed(lambda: mesh_from_arrays(mesh_arrays(mesh))),
    }


def images(_options: argparse.Namespace) -> dict:
    """Time the refusals of bombs and disguises by a warm decoder, and its peak memory."""
    taken = {}
    with PictureDecoder() as decoder:
        decoder.read(encoded(disc()), "disc")
        for name, make in REFUSED.items():
            content, started = make(), time.perf_counter()
            try:
                decoder.read(content, "evil.png")
            except LimbeckError:
                taken[name] = round((time.perf_counter() - started) * 1000, 1)
        status = Path(f"/proc/{decoder.pid}/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return {"ms": taken, "peak_mb": round(int(peak.split()[1]) / 1000)}


def ipc(options: argparse.Namespace) -> dict:
    """Measure the age of a preview of 50,000 vertices at a client that pumps all the time."""
    with benchmark_server() as server:
        ages = watch(server, 2.0, options.seconds, Watcher("viewer"))["viewer"]["ages_s"]
    return {"previews": len(ages), "age": figures([age * 1000 for age in ages])}


def slow(options: argparse.Namespace) -> dict:
    """Watch with a client that takes one preview a second and, at the same time, one that is stopped after 3 s."""
    with benchmark_server() as server:
        found = watch(
            server,
            options.megabytes,
            options.seconds,
            Watcher("slow", period_s=1.0),
            Watcher("frozen", freeze_after_s=3.0),
        )
    return summary(found, options)


def mixed(options: argparse.Namespace) -> dict:
    """Let 64 clients ask for all kinds of things at once, while a job shows 2 MB previews to one more."""
    with benchmark_server(*TCP) as server, connected(server, "submitter") as client:
        job = submit(client, JobSpec("2 MB", negative_prompt=str(options.seconds + 5)))
        client.watch(job)
        taken = ask_from_many(server, options.seconds, client)
    all_ms = [ms for each in taken for ms in each]
    each = sorted(len(ms) for ms in taken)
    return {
        "clients": len(taken),
        "seconds": options.seconds,
        "requests": len(all_ms),
        "control": figures(all_ms),
        "requests of the least and most served": [each[0], each[-1]],
    }


def curve(options: argparse.Namespace) -> dict:
    """Ping under CURVE while another client pulls 20 MB previews."""
    with benchmark_server(*TCP) as server, zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        ask(socket, write_message(Hello("pinger", "bench"), Header("", id=new_ulid())))
        quiet = pings(socket, 3.0)
        with watching(server, 20.0, options.seconds, Watcher("viewer")) as viewers:
            busy = pings(socket, options.seconds - 1.0)
            seen = json.loads(viewers["viewer"].communicate(timeout=60)[0])
    rate = seen["bytes_shown"] / max(1e-9, options.seconds) / 1e6
    return {"quiet": figures(quiet), "while previews flow": figures(busy), "shown_mb_per_s": round(rate, 1)}


@contextmanager
def benchmark_server(*arguments: str) -> Iterator[RunningServer]:
    """Run a server whose worker shows meshes."""
    options = (*arguments, "--engine", "wire_engine:engine")
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder), *options) as server:
        yield server


def ask_from_many(server: RunningServer, seconds: float, watcher: Client) -> list[list[float]]:
    """Return the round trips of each client, in ms; every client has one request under way."""
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]
    random_requests = random.Random(0)
    with zmq.Context() as context, ExitStack() as stack:
        sockets = [stack.enter_context(closing(raw_socket(server, context))) for _ in range(CLIENTS)]
        numbers, poller = {socket: number for number, socket in enumerate(sockets)}, zmq.Poller()
        sent_at: dict[zmq.Socket, float] = {}
        for number, socket in enumerate(sockets):
            ask(socket, write_message(Hello(f"client-{number}", "bench"), Header("", id=new_ulid())))
            poller.register(socket, zmq.POLLIN)
        ends_at = time.monotonic() + seconds
        pauses = {socket: time.monotonic() + random_requests.random() for socket in sockets}
        while time.monotonic() < ends_at:
            for socket in [socket for socket, at in pauses.items() if at <= time.monotonic()]:
                del pauses[socket]
                sent_at[socket] = time.perf_counter()
                socket.send_multipart(request(random_requests))
            for socket, _ in poller.poll(5):
                socket.recv_multipart()
                taken[numbers[socket]].append((time.perf_counter() - sent_at[socket]) * 1000)
                pauses[socket] = time.monotonic() + random_requests.uniform(0.05, 0.5)
            watcher.pump(0.002)
    return taken


def request(random_requests: random.Random) -> list:
    """Return a request as a mixed load has them: mostly status and pings, some uploads, a few jobs."""
    header, kind = Header("", id=new_ulid()), random_requests.random()
    if kind < 0.02:
        spec = {"spec": np.frombuffer(job_to_json(JobSpec("1 MB", negative_prompt="0.1")), np.uint8)}
        return write_message(JobSubmit(new_ulid()), header, spec)
    if kind < 0.1:
        put = BlobPut(f"{random_requests.getrandbits(200):064x}", 60_000, 0)
        return write_message(put, header, {"data": np.zeros(50_000, np.uint8)})
    if kind < 0.2:
        return write_message(JobCancel(new_ulid()), header)
    return write_message(StatusRequest() if kind < 0.6 else Ping(), header)


def pings(socket: zmq.Socket[bytes], seconds: float) -> list[float]:
    """Return the round trips, in ms, of pings every 10 ms."""
    taken, ends_at = [], time.monotonic() + seconds
    while time.monotonic() < ends_at:
        started = time.perf_counter()
        ask(socket, write_message(Ping(), Header("", id=new_ulid())))
        taken.append((time.perf_counter() - started) * 1000)
        time.sleep(0.01)
    return taken


def timed(call: Callable[[], object], count: int = 300) -> dict[str, float]:
    """Return how long calls take."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        taken.append((time.perf_counter() - started) * 1000)
    return figures(taken)


MEASUREMENTS = {one.__name__: one for one in (codec, images, ipc, slow, mixed, curve)}


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=MEASUREMENTS)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--megabytes", type=float, default=2.0)
    options = parser.parse_args()
    for name in options.names:
        print(json.dumps({name: MEASUREMENTS[name](options)}), flush=True)


if __name__ == "__main__":
    main()
