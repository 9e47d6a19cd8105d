# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The process that speaks to Ray for the server, so that the server itself never loads Ray.

It hears JSON lines on standard input (first DriverOrders, then places) and answers with JSON lines on standard output.
When its input ends, it ends, and Ray ends its workers.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

from limbeck_server.executors.ray_seat import run_seat
from limbeck_server.settings import is_loopback_address

WAIT_S = 0.1
CONNECT_TIMEOUT_S = 2.0
REMEDY = "start Ray on this machine too: ray start --address HOST:PORT --num-gpus 0"


@dataclass(frozen=True)
class DriverOrders:
    """What the driver must know: the cluster's address, and what each worker is given."""

    address: str
    gpus_per_job: float
    engine: str


def main() -> None:
    """Drive until standard input ends."""
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what Ray prints goes to the log
    orders = DriverOrders(**json.loads(sys.stdin.readline()))
    places: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
    threading.Thread(target=_read_places, args=(places,), daemon=True).start()
    _stay_on_loopback_if_ray_does(orders.address)
    try:
        ray: Any = importlib.import_module("ray")  # takes seconds, and need not be there
        ray.init(orders.address, namespace="limbeck", log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # noqa: BLE001 - whatever Ray raises is told to the server
        _say(out, event="failed", reason=_first_line(error), remedy=REMEDY)
        return
    host = ray.util.get_node_ip_address()
    _say(out, event="ready", host=host, room=_room(ray.cluster_resources(), orders.gpus_per_job))
    _drive(ray, orders, places, out)
    ray.shutdown()


def _drive(ray: Any, orders: DriverOrders, places: queue.SimpleQueue[dict[str, Any] | None], out: TextIO) -> None:
    seat_of: dict[Any, str] = {}
    # retries are the server's business: each worker gets a key of its own
    options = {"num_cpus": 1, "num_gpus": orders.gpus_per_job, "max_retries": 0, "scheduling_strategy": "SPREAD"}
    worker = ray.remote(run_seat).options(**options)
    while True:
        while not places.empty():
            place = places.get()
            if place is None:
                for reference in seat_of:
                    ray.cancel(reference, force=True)
                return
            seat_of[worker.remote(place["seat"], place["endpoint"], orders.engine)] = place["seat"]
        if not seat_of:
            threading.Event().wait(WAIT_S)
            continue
        ended, _ = ray.wait(list(seat_of), num_returns=1, timeout=WAIT_S)
        for reference in ended:
            _say(out, event="lost", seat=seat_of.pop(reference), reason=_how_it_ended(ray, reference))


def _stay_on_loopback_if_ray_does(address: str) -> None:
    """See to it that a cluster on 127.0.0.1 alone is found: Ray takes that for this machine's outward address."""
    port = address.rpartition(":")[2]
    if not is_loopback_address(address):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        with suppress(OSError):
            outward.connect(("192.0.2.1", 9))  # sends nothing, but chooses the interface
        own = outward.getsockname()[0]
    try:
        socket.create_connection((own, int(port)), CONNECT_TIMEOUT_S).close()
    except OSError:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # Ray's own switch for "loopback only"


def _read_places(places: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    for line in sys.stdin:
        places.put(json.loads(line))
    places.put(None)


def _how_it_ended(ray: Any, reference: Any) -> str:
    try:
        ray.get(reference)
    except Exception as error:  # noqa: BLE001 - Ray wraps whatever went wrong
        return f"{type(error).__name__}: {_first_line(error).split('. ')[0]}"
    return "it came to its end"


def _room(resources: dict[str, float], gpus_per_job: float) -> int:
    """Return how many workers the cluster has room for now."""
    need = {"GPU": gpus_per_job} if gpus_per_job else {"CPU": 1.0}
    return max(1, min(int(resources.get(name, 0.0) // amount) for name, amount in need.items()))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _say(out: TextIO, **event: Any) -> None:
    out.write(json.dumps(event) + "\n")
    out.flush()


if __name__ == "__main__":
    main()
