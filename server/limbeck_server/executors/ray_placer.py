# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers that a Ray cluster places: Ray starts them and says when one is gone; all else goes over our own wire."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TextIO
from urllib.parse import urlsplit

from limbeck_protocol.connection import Endpoint
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import new_ulid
from limbeck_server.executors.ray_driver import DriverOrders
from limbeck_server.files import make_folder
from limbeck_server.key_files import new_key_pair
from limbeck_server.parts import Parts
from limbeck_server.settings import ServerSettings, is_loopback_address

log = logging.getLogger("limbeck.server")
OWNER = ":ray"
"""Whose the placed workers' keys are; no key that a person authorises has a name with a colon."""
REACH_TIMEOUT_S = 5.0
END_WAIT_S = 5.0
DELAYS_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
STEADY_S = 60.0


def require_ray(settings: ServerSettings) -> None:
    """Refuse to begin where Ray is to place workers and cannot, or strangers could.

    Raises:
        ProtocolError: E_RAY_MISSING, E_RAY_INSECURE or E_RAY.
    """
    if not settings.is_ray:
        return
    address = settings.address or ""
    if importlib.util.find_spec("ray") is None:
        raise ProtocolError("E_RAY_MISSING", "the package ray is not installed", 'pip install "limbeck[ray]"')
    if not is_loopback_address(address) and os.environ.get("RAY_AUTH_MODE") != "token":
        message = f"expected token authentication for the Ray cluster at {address}, got none"
        remedy = "set RAY_AUTH_MODE=token and the token on all its machines: whoever reaches Ray runs what he likes"
        raise ProtocolError("E_RAY_INSECURE", message, remedy)
    try:
        parts = urlsplit(f"//{address}")
        with socket.create_connection((parts.hostname or "", parts.port or 0), REACH_TIMEOUT_S):
            pass
    except (OSError, ValueError) as error:
        remedy = "give --address HOST:PORT of its head (ray start --head --port 6379)"
        raise ProtocolError("E_RAY", f"no Ray cluster answers at {address[:200]!r}: {error}", remedy) from error


class RayPlacer:
    """Asks Ray for workers through a driver process, and for another whenever one is lost."""

    def __init__(self, parts: Parts, server_key: str, address: str) -> None:
        """Prepare; ``tend`` starts the driver.

        Args:
            parts: the server's.
            server_key: its public key.
            address: that its socket for workers is bound to.
        """
        self._parts = parts
        self._server_key = server_key
        self._address = address
        self._driver: subprocess.Popen[str] | None = None
        self._heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._keys: dict[str, str] = {}
        self._host = ""
        self._wanted = 0
        self._failures = 0
        self._failed_at = 0.0
        self._try_at = 0.0

    def tend(self, now: float) -> None:
        """Start the driver or workers if need be, and hear which are gone."""
        while not self._heard.empty():
            self._hear(self._heard.get(), now)
        if self._driver is not None and self._driver.poll() is not None:
            self._bury_driver(now)
        if now < self._try_at:
            return
        if self._driver is None:
            self._start_driver()
        while len(self._keys) < self._wanted:
            self._place()

    def close(self) -> None:
        """End the driver, with which Ray ends the workers."""
        if self._driver is not None and self._driver.stdin is not None:
            with suppress(OSError):
                self._driver.stdin.close()
            try:
                self._driver.wait(END_WAIT_S)
            except subprocess.TimeoutExpired:
                self._driver.kill()
                self._driver.wait()

    def _start_driver(self) -> None:
        settings = self._parts.settings
        log_file = make_folder(settings.state_folder / "logs") / "ray.log"
        with log_file.open("ab") as file:
            self._driver = subprocess.Popen(
                [sys.executable, "-P", "-m", "limbeck_server.executors.ray_driver"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                start_new_session=True,
            )
        self._tell(asdict(DriverOrders(settings.address or "", settings.gpus_per_job, settings.engine)))
        threading.Thread(target=_read_lines, args=(self._driver.stdout, self._heard), daemon=True).start()
        log.info("ray driver started", extra={"pid": self._driver.pid, "address": settings.address})

    def _hear(self, event: dict[str, Any], now: float) -> None:
        kind = event.get("event")
        if kind == "ready":
            self._host = event["host"]
            self._wanted = self._parts.settings.max_workers or event["room"]
            log.info("ray is ready", extra={"host": self._host, "workers": self._wanted})
        elif kind == "lost":
            self._lose(event["seat"], event["reason"], now)
        elif kind == "failed":
            log.error("ray not reached", extra={"reason": event["reason"], "remedy": event["remedy"]})

    def _lose(self, seat: str, reason: str, now: float) -> None:
        log.warning("ray lost a worker", extra={"seat": seat, "reason": reason})
        key = self._keys.pop(seat, None)
        if key is not None:
            self._parts.access.dismiss_worker(key)
        member = self._parts.crew.in_seat(f"{OWNER}:{seat}.0")
        if member is not None:
            member.condemn(f"ended, says Ray ({reason})")
        self._hold(now)

    def _bury_driver(self, now: float) -> None:
        log.error("ray driver ended", extra={"status": self._driver.returncode if self._driver else None})
        self._driver, self._wanted = None, 0
        for seat in list(self._keys):
            self._lose(seat, "its driver ended", now)
        self._hold(now)

    def _hold(self, now: float) -> None:
        """Wait before the next try, the longer the more often it has failed lately."""
        self._failures = self._failures + 1 if now - self._failed_at < STEADY_S else 0
        self._failed_at = now
        self._try_at = now + DELAYS_S[min(self._failures, len(DELAYS_S) - 1)]

    def _place(self) -> None:
        seat, pair = new_ulid(), new_key_pair()
        self._keys[seat] = pair.public
        self._parts.access.admit_worker(pair.public, OWNER)
        endpoint = Endpoint(self._reachable(), self._server_key, pair.public, pair.secret)
        self._tell({"seat": seat, "endpoint": asdict(endpoint)})

    def _reachable(self) -> str:
        """Return where workers on other machines find this server."""
        bound = urlsplit(self._address)
        is_any = bound.hostname in ("0.0.0.0", "::", "*")  # noqa: S104 - asked, not bound
        host = self._parts.settings.advertise or (self._host if is_any else bound.hostname or "")
        return f"tcp://{f'[{host}]' if ':' in host else host}:{bound.port}"

    def _tell(self, order: dict[str, Any]) -> None:
        if self._driver is not None and self._driver.stdin is not None:
            with suppress(OSError):  # it has ended, which ``tend`` finds
                self._driver.stdin.write(json.dumps(order) + "\n")
                self._driver.stdin.flush()


def _read_lines(lines: TextIO | None, heard: queue.SimpleQueue[dict[str, Any]]) -> None:
    for line in lines or ():
        with suppress(ValueError):
            heard.put(json.loads(line))
