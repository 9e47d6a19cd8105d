# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A worker process: dials home, loads its engine, and runs one job at a time until the server is gone."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_protocol.processes import is_running
from limbeck_server.courier import LocalCourier, RemoteCourier
from limbeck_server.engine import Controls, Engine, EngineEvent
from limbeck_server.executors.local import LEAVE, WorkerOrders
from limbeck_server.priority import give_way
from limbeck_server.run_order import run_order
from limbeck_server.worker_link import WorkerLink
from limbeck_server.worker_messages import Failed

log = logging.getLogger("limbeck.worker")
PR_SET_PDEATHSIG = 1
SERVER_GONE = 3


def main() -> None:
    """Run a worker; its orders come as a line on standard input."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    orders = WorkerOrders(**json.loads(sys.stdin.buffer.readline()))
    die_with_server(orders.server_pid)
    link = WorkerLink(orders)
    threading.Thread(target=_wait_for_server, args=(link,), daemon=True).start()
    give_way(orders.server_pid)  # not before: the link's thread is to stay prompt
    courier = RemoteCourier(link.ask, link.pulse.keep) if orders.seat else LocalCourier()
    engine, kept = load_engine(orders.engine), {}
    while (order := link.next_order()) is not None:
        ending = run_order(order, engine, link, kept, courier)
        link.send(ending, order)
        if isinstance(ending, Failed) and ending.is_leaving:
            break
    link.close()


def die_with_server(server_pid: int) -> None:
    """See to it that this process ends when the server does, even if that is killed."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if not is_running(server_pid):  # it ended before the lines above
        os._exit(SERVER_GONE)


def _wait_for_server(link: WorkerLink) -> None:
    """Wait for the end of what started this process, which comes here on every platform."""
    # unbuffered, because a thread inside a buffered reader aborts the interpreter's own exit
    while said := os.read(sys.stdin.fileno(), 4096):
        if LEAVE in said:
            link.leave()
    os._exit(SERVER_GONE)


def load_engine(name: str) -> Engine:
    """Import ``module:function``; if that fails, return an engine that says so for every job."""
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        log.exception("engine not loaded")
        reason = f"{type(error).__name__}: {error}"

    def missing_engine(_job: JobSpec, _folder: Path, _controls: Controls) -> Generator[EngineEvent, None, None]:
        remedy = "repair the server's installation (limbeck doctor), then restart it"
        raise ProtocolError("E_ENGINE", f"the engine {name} cannot be loaded: {reason}", remedy)
        yield

    return missing_engine


if __name__ == "__main__":
    main()
