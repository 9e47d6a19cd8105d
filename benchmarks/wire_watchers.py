# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""For wire.py: clients in processes of their own that watch a job, some of them slow or stopped, and their memory."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from fuzz_wire import figures

from limbeck_protocol.job import JobSpec
from server.harness import (  # pyright: ignore[reportMissingImports]
    RunningServer,
    connected,
    submit,
)

HERE = Path(__file__).parent
SAMPLE_S = 0.2


@dataclass(frozen=True)
class Watcher:
    """A client that rests for ``period_s`` after each preview, and is stopped for good after ``freeze_after_s``."""

    name: str
    period_s: float = 0.0
    freeze_after_s: float = float("inf")


@contextmanager
def watching(
    server: RunningServer, megabytes: float, seconds: float, *watchers: Watcher
) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """Run a job that shows meshes for so long, and clients that watch it."""
    with connected(server, "submitter") as client:
        # the first job's worker is loaded before the clock starts
        job = submit(client, JobSpec(f"{megabytes} MB", negative_prompt=str(seconds)))
    command = [sys.executable, str(HERE / "wire_viewer.py"), str(server.place.connection_file), job]
    processes: dict[str, subprocess.Popen[str]] = {}
    try:
        for watcher in watchers:
            process = subprocess.Popen([*command, str(watcher.period_s)], stdout=subprocess.PIPE, text=True)
            processes[watcher.name] = process
            if process.stdout is not None:
                process.stdout.readline()
        yield processes
    finally:
        for process in processes.values():
            process.kill()
            process.communicate()


def watch(server: RunningServer, megabytes: float, seconds: float, *watchers: Watcher) -> dict[str, Any]:
    """Return what each watcher saw, None if it was stopped, and under ``memory`` everybody's, in MB, over time."""
    stops = {watcher.name: watcher.freeze_after_s for watcher in watchers}
    with watching(server, megabytes, seconds, *watchers) as processes:
        pids = {"server": server.process.pid} | {name: process.pid for name, process in processes.items()}
        found = {name: psutil.Process(pid) for name, pid in pids.items()}
        memory: dict[str, list[float]] = {name: [] for name in found}
        started = time.monotonic()
        while (passed := time.monotonic() - started) < seconds:
            for name, process in found.items():
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    memory[name].append(process.memory_info().rss / 1e6)
            for name in [name for name, after in stops.items() if passed > after]:
                found[name].suspend()
                stops[name] = float("inf")
            time.sleep(SAMPLE_S)
        seen = {
            watcher.name: None
            if watcher.freeze_after_s < seconds
            else json.loads(processes[watcher.name].communicate(timeout=60)[0])
            for watcher in watchers
        }
    return seen | {"memory": memory}


def summary(found: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Return memory in the second quarter and at the end, and how old what was shown was."""
    result: dict[str, Any] = {"megabytes": options.megabytes, "seconds": options.seconds}
    for name, values in found["memory"].items():
        quarter, last = values[len(values) // 4 : len(values) // 2], values[-len(values) // 4 :]
        result[f"{name}_mb"] = {
            "median of the second quarter": round(statistics.median(quarter), 1),
            "median of the last": round(statistics.median(last), 1),
            "peak": round(max(values), 1),
        }
    for name, seen in found.items():
        if name == "memory" or seen is None:
            continue
        result[name] = {
            "shown": len(seen["ages_s"]),
            "without faces": seen["updates"],
            "age": figures([age * 1000 for age in seen["ages_s"]]),
            "fetched in": figures([seconds * 1000 for seconds in seen["fetched_s"][1:]]),
        }
    return result
