# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Measure what one worker costs its server, with many simulated ones on loopback under CURVE.

    python benchmarks/scale.py --workers 200

Printed is one JSON object: processor time of the server's event loop and of libzmq's threads for each message, preview
and megabyte of checkpoint, commits a second, memory and file descriptors a worker. docs/scale.md reckons with them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zmq

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT), str(ROOT / "tests")]

from limbeck_protocol.frames import Header  # noqa: E402
from limbeck_protocol.job import JobSpec  # noqa: E402
from limbeck_server.board import Board  # noqa: E402
from limbeck_server.engine import EnginePreview  # noqa: E402
from limbeck_server.jobs import in_state  # noqa: E402
from limbeck_server.mesh_packer import MeshPacker  # noqa: E402
from limbeck_server.remote_messages import FetchPart, PartRefused, PartStored, PutPart, Welcomed  # noqa: E402
from limbeck_server.store import Store  # noqa: E402
from limbeck_server.worker_messages import Advanced, Beat, Checkpointed, RunJob, Started, WorkerReady  # noqa: E402
from server.elsewhere import STATIC, Impostor, impostor, key_file  # noqa: E402  # pyright: ignore[reportMissingImports]
from server.harness import RunningServer, connected, running_server, submit  # noqa: E402  # pyright: ignore[reportMissingImports]
from server.synthetic_engine import grid  # noqa: E402  # pyright: ignore[reportMissingImports]

PART = 1 << 20
WINDOW = 4


@dataclass
class Bill:
    """Seconds of processor time of the server, and of the clock."""

    loop_s: float
    network_s: float
    wall_s: float


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0, help="Of each phase.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(Path(folder), options.workers, options.seconds), indent=1))


def run(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """Return all figures."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server(folder / "server", *STATIC))
        process, key = psutil.Process(server.process.pid), key_file(server, "gpu")
        fds, memory = process.num_fds(), process.memory_info().rss
        workers = [stack.enter_context(impostor(server, key)) for _ in range(count)]
        abouts = join_all(server, workers)
        figures: dict[str, Any] = {
            "workers": count,
            "fds_a_worker": round((process.num_fds() - fds) / count, 2),
            "memory_mb_a_worker": round((process.memory_info().rss - memory) / 1e6 / count, 3),
        }
        nothing = bill(process, lambda: time.sleep(seconds))
        figures["loop_share_of_quiet_workers"] = round(nothing.loop_s / nothing.wall_s, 4)
        figures["beat"] = priced(process, seconds, workers, abouts, Beat(0, 0, 0))
        progress = Advanced("optimising", 1, 1000, "loss 0.123")
        figures["progress"] = priced(process, seconds, workers, abouts, progress)
        figures["preview_2_mb"] = previews(process, workers[0], abouts[0], 50)
        figures["checkpoint"] = uploads(process, workers[:8], abouts[:8], 20)
        figures["commits"] = commits(folder / "store")
        stop(server)
    return figures


def join_all(server: RunningServer, workers: list[Impostor]) -> list[Header]:
    """Let all join, give each a job, and return the headers for messages about them."""
    for number, worker in enumerate(workers):
        worker.join(f"seat-{number}")
        worker.hear(Welcomed)
        worker.say(WorkerReady())
    with connected(server) as client:
        for number in range(len(workers)):
            submit(client, JobSpec(f"job {number}"))
    abouts = []
    for worker in workers:
        worker.hear(RunJob)
        assert worker.order is not None
        abouts.append(Header("", job=worker.order.header.job, att=worker.order.header.att, id="ask"))
        worker.say(Started(), abouts[-1])
    return abouts


def say_all(workers: list[Impostor], message: object, abouts: list[Header]) -> int:
    """Let every worker say something once, throw away what they hear, and return how many messages that were."""
    for worker, about in zip(workers, abouts, strict=True):
        worker.say(message, about)
    for worker in workers:
        try:
            while True:
                worker.socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            pass
    return len(workers)


def bill(process: psutil.Process, work: Callable[[], object]) -> Bill:
    """Return what the server spends while something is done."""
    before, began = times(process), time.monotonic()
    work()
    after = times(process)
    return Bill(after[0] - before[0], after[1] - before[1], time.monotonic() - began)


def times(process: psutil.Process) -> tuple[float, float]:
    """Return the seconds of the event loop's thread, and of all others."""
    spent = {thread.id: thread.user_time + thread.system_time for thread in process.threads()}
    return spent.pop(process.pid, 0.0), sum(spent.values())


def wait_until_heard(workers: list[Impostor], abouts: list[Header]) -> None:
    """Wait until the server has dealt with all that was said: it answers a question in its turn."""
    for worker, about in zip(workers, abouts, strict=True):
        worker.say(FetchPart("none", 0), about)
    for worker in workers:
        worker.hear(PartRefused)


def priced(
    process: psutil.Process, seconds: float, workers: list[Impostor], abouts: list[Header], message: object
) -> dict[str, float]:
    """Let all say something as often as possible for some seconds, and return the price of one message."""
    said = 0

    def work() -> None:
        nonlocal said
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            said += say_all(workers, message, abouts)
        wait_until_heard(workers, abouts)

    spent = bill(process, work)
    return {
        "messages": said,
        "a_second": round(said / spent.wall_s),
        "loop_us": round(1e6 * spent.loop_s / said, 1),
        "network_us": round(1e6 * spent.network_s / said, 1),
    }


def previews(process: psutil.Process, worker: Impostor, about: Header, count: int) -> dict[str, float]:
    """Send meshes of 2 MB that nobody watches."""
    packer, size = MeshPacker(), 354
    meshes = [EnginePreview(step, *grid(size, step / count)) for step in range(count)]
    packed = [packer.pack(mesh) for mesh in meshes]
    sizes = sum(array.nbytes for _, arrays in packed for array in arrays.values())

    def work() -> None:
        for message, arrays in packed:
            worker.say(message, about, **arrays)
        wait_until_heard([worker], [about])

    spent = bill(process, work)
    return {
        "megabytes_each": round(sizes / count / 1e6, 2),
        "loop_ms_each": round(1e3 * spent.loop_s / count, 2),
        "network_ms_each": round(1e3 * spent.network_s / count, 2),
    }


def uploads(process: psutil.Process, workers: list[Impostor], abouts: list[Header], megabytes: int) -> dict[str, float]:
    """Upload a checkpoint from several workers at once, until all are on the disk."""
    content = np.random.default_rng(0).integers(0, 256, megabytes * PART, np.uint8)
    sha256, total = hashlib.sha256(content.data).hexdigest(), megabytes * len(workers)

    def work() -> None:
        at = dict.fromkeys(range(len(workers)), 0)
        for _ in range(WINDOW):
            for number in at:
                at[number] = put(workers[number], abouts[number], content, sha256, at[number])
        done = 0
        while done < len(workers):
            for number, worker in enumerate(workers):
                answer = worker.hear(PartStored, PartRefused) if worker.socket.poll(1) else None
                if isinstance(answer, PartRefused):
                    raise RuntimeError(answer)
                if answer is not None and answer.is_complete:
                    done += 1
                    worker.say(Checkpointed("checkpoint-5.safetensors", 5, content.size, sha256), abouts[number])
                elif answer is not None:
                    at[number] = put(worker, abouts[number], content, sha256, at[number])

    spent = bill(process, work)
    return {
        "megabytes": total,
        "megabytes_a_second": round(total / spent.wall_s, 1),
        "loop_ms_a_megabyte": round(1e3 * spent.loop_s / total, 2),
        "network_ms_a_megabyte": round(1e3 * spent.network_s / total, 2),
    }


def put(worker: Impostor, about: Header, content: np.ndarray, sha256: str, offset: int) -> int:
    """Send the next part, if there is one, and return where the one after it begins."""
    if offset >= content.size:
        return offset
    request = PutPart("checkpoint-5.safetensors", content.size, sha256, offset)
    worker.say(request, replace(about, id="put"), data=content[offset : offset + PART])
    return offset + PART


def commits(folder: Path) -> dict[str, float]:
    """Commit changes of a job's state as the server does, one after the other."""
    folder.mkdir(parents=True)
    store = Store(folder)
    job, _ = Board(store, 10).submit("me", "key", JobSpec("a penguin"))
    took = []
    for _ in range(30):
        for state in ("starting", "running", "interrupted", "queued"):
            changed = replace(in_state(job, state), rev=job.rev + 1)
            began = time.perf_counter()
            store.save(job, changed)
            took.append(time.perf_counter() - began)
            job = changed
    store.close()
    return {
        "median_ms": round(1e3 * float(np.median(took)), 2),
        "p99_ms": round(1e3 * float(np.quantile(took, 0.99)), 2),
    }


def stop(server: RunningServer) -> None:
    """End the server at once; its jobs are of no use."""
    server.process.kill()
    server.process.wait()


if __name__ == "__main__":
    main()
