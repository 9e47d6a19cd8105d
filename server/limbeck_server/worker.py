# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A worker process: dials home, loads its engine, and runs one job at a time until the server is gone."""

from __future__ import annotations

import hashlib
import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec
from limbeck_protocol.processes import is_running
from limbeck_server.blobs import fill_blobs
from limbeck_server.engine import Engine, EngineEvent, EngineFinished, EnginePreview, EngineProgress, EngineWarning
from limbeck_server.executors.local import WorkerOrders
from limbeck_server.failures import SPENT_CODES, failure_of
from limbeck_server.worker_link import Order, WorkerLink
from limbeck_server.worker_messages import Advanced, Failed, Finished, Started, Stopped, Warned, WorkerReady

log = logging.getLogger("limbeck.worker")
PR_SET_PDEATHSIG = 1
SERVER_GONE = 3


def main() -> None:
    """Run a worker; its orders come as a line on standard input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    orders = WorkerOrders(**json.loads(sys.stdin.buffer.readline()))
    die_with_server(orders.server_pid)
    link = WorkerLink(orders)
    engine = load_engine(orders.engine)
    link.send(WorkerReady())
    while True:
        order = link.next_order()
        ending = run_order(order, engine, link)
        link.send(ending, order)
        if isinstance(ending, Failed) and ending.is_leaving:
            link.close()
            return


def die_with_server(server_pid: int) -> None:
    """See to it that this process ends when the server does, even if that is killed."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if not is_running(server_pid):  # it ended before the lines above
        os._exit(SERVER_GONE)
    threading.Thread(target=_wait_for_server, daemon=True).start()


def _wait_for_server() -> None:
    # unbuffered, because a thread inside a buffered reader aborts the interpreter's own exit
    while os.read(sys.stdin.fileno(), 4096):
        pass  # nothing is said here after the orders; the end comes when the server does, on every platform
    os._exit(SERVER_GONE)


def load_engine(name: str) -> Engine:
    """Import ``module:function``; if that fails, return an engine that says so for every job."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        log.exception("engine not loaded")
        reason = f"{type(error).__name__}: {error}"

    def missing_engine(_job: JobSpec, _folder: Path) -> Generator[EngineEvent, None, None]:
        remedy = "repair the server's installation (limbeck doctor), then restart it"
        raise ProtocolError("E_ENGINE", f"the engine {name} cannot be loaded: {reason}", remedy)
        yield

    return missing_engine


def run_order(order: Order, engine: Engine, link: WorkerLink) -> Finished | Failed | Stopped:
    """Run one job and return how it ended."""
    try:
        job = fill_blobs(order.spec, order.blobs)
        link.send(Started(), order)
        with closing(engine(job, order.folder)) as events:
            return _follow(events, order, link)
    except Exception as error:  # noqa: BLE001 - the engine's code is not ours, and the worker has to live on
        return failed(error)


def _follow(events: Generator[EngineEvent, None, None], order: Order, link: WorkerLink) -> Finished | Failed | Stopped:
    for event in events:
        if link.is_cancelled(order):
            return Stopped()
        match event:
            case EngineProgress():
                link.advance(order, Advanced(event.stage, event.step, event.steps, event.message))
            case EnginePreview():
                link.show(order, event)
            case EngineWarning():
                link.send(Warned(event.code, event.message), order)
            case EngineFinished():
                return finish(event.file, event.summary, order.folder)
    return Failed("E_ENGINE", "the engine ended without an asset", "report it")


def finish(file: Path, summary: dict[str, Any], folder: Path) -> Finished:
    """Make the asset durable and return its size and hash.

    Raises:
        ProtocolError: E_ENGINE if the file is not in the job's folder.
        OSError: if it cannot be read.
    """
    if file.resolve().parent != folder.resolve():
        raise ProtocolError("E_ENGINE", f"expected an asset in the job's folder, got {file}", "report it")
    digest = hashlib.sha256()
    with file.open("r+b") as asset:
        while chunk := asset.read(1 << 20):
            digest.update(chunk)
        os.fsync(asset.fileno())
    return Finished(file.name, file.stat().st_size, digest.hexdigest(), summary)


def failed(error: Exception) -> Failed:
    """Return how a job ends with an exception; what was not foreseen leaves its traceback in the worker's log."""
    failure = failure_of(error)
    if failure.is_typed:
        log.warning("job failed: %s", error)
        return Failed(failure.code, failure.message, failure.remedy)
    trace_id = new_ulid()
    log.error("job failed, trace id %s", trace_id, exc_info=error)
    is_bug = failure.code == "E_INTERNAL"
    remedy = "report it with the worker's log, which has this trace id" if is_bug else failure.remedy
    return Failed(failure.code, failure.message, remedy, is_leaving=failure.code in SPENT_CODES, trace_id=trace_id)


if __name__ == "__main__":
    main()
