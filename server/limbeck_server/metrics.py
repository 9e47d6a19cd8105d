# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics on loopback, if asked for: text that the server's loop writes and one thread hands out."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping

from limbeck import __version__
from limbeck_protocol.errors import ProtocolError
from limbeck_server.parts import Parts
from limbeck_server.transport import is_loopback

INTERVAL_S = 1.0
PATIENCE_S = 2.0
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
HELP = {
    "limbeck_info": "gauge 1, with the version.",
    "limbeck_uptime_seconds": "gauge Since the server started.",
    "limbeck_jobs": "gauge Jobs that the server knows, by state.",
    "limbeck_sessions": "gauge Clients that are connected.",
    "limbeck_watches": "gauge Jobs that clients watch.",
    "limbeck_outbox_bytes": "gauge What waits for clients that do not keep up.",
    "limbeck_worker_ready": "gauge 1 while a worker can take jobs or is busy.",
    "limbeck_requests_total": "counter Requests of clients, by type.",
    "limbeck_errors_total": "counter Refusals, by code.",
    "limbeck_previews_total": "counter Previews that were offered, and skipped for clients that were slower.",
    "limbeck_security_events_total": "counter Refused keys, failed handshakes and the like.",
}


def render(parts: Parts, uptime_s: float) -> str:
    """Return everything in Prometheus' text format."""
    sessions = list(parts.sessions)
    samples: dict[str, Mapping[str, float]] = {
        "limbeck_info": {f'version="{__version__}"': 1},
        "limbeck_uptime_seconds": {"": round(uptime_s, 1)},
        "limbeck_jobs": {
            f'state="{state}"': n for state, n in Counter(job.state for job in parts.board.jobs()).items()
        },
        "limbeck_sessions": {"": len(sessions)},
        "limbeck_watches": {"": sum(len(session.watches) for session in sessions)},
        "limbeck_outbox_bytes": {"": sum(session.outbox_bytes for session in sessions)},
        "limbeck_worker_ready": {"": float(parts.state != "starting")},
        "limbeck_requests_total": _counted(parts, "requests", "type"),
        "limbeck_errors_total": _counted(parts, "errors", "code"),
        "limbeck_previews_total": _counted(parts, "previews", "outcome"),
        "limbeck_security_events_total": {f'event="{event}"': n for event, n in parts.security.counts.items()},
    }
    return "".join(_lines(name, values) for name, values in samples.items())


class MetricsServer:
    """Answers ``GET /metrics``, one scrape after the other."""

    def __init__(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: if the address is taken.
        """
        # 20 ms of every start, for what few ask for
        from http import HTTPStatus  # noqa: PLC0415
        from http.server import BaseHTTPRequestHandler, HTTPServer  # noqa: PLC0415

        self._text = b""
        self._updated_at = float("-inf")
        self._started_at: float | None = None
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = PATIENCE_S

            def do_GET(self) -> None:
                is_known = self.path in ("/metrics", "/")
                self.send_response(HTTPStatus.OK if is_known else HTTPStatus.NOT_FOUND)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.end_headers()
                self.wfile.write(owner._text if is_known else b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
                """Keep scrapes out of the terminal."""

        self._server = HTTPServer((host, port), Handler)
        self._server.handle_error = _ignore
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def update(self, parts: Parts, now: float) -> None:
        """Write the text anew, at most once a second; ``now`` in monotonic seconds."""
        if now - self._updated_at >= INTERVAL_S:
            self._started_at = now if self._started_at is None else self._started_at
            self._updated_at = now
            self._text = render(parts, now - self._started_at).encode()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


def open_metrics(address: str | None) -> MetricsServer | None:
    """Return a server for ``host:port``, or None for None.

    Raises:
        ProtocolError: E_ADDRESS, or E_INSECURE_BIND for an address that other machines reach: metrics have no keys.
    """
    if address is None:
        return None
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or re.fullmatch("[0-9]{1,5}", port) is None or int(port) > 65_535:
        raise ProtocolError("E_ADDRESS", f"expected HOST:PORT for metrics, got {address!r}", "use 127.0.0.1:9464")
    if not is_loopback(host):
        message = f"expected a loopback address for metrics, got {host!r}: they ask for no key"
        raise ProtocolError("E_INSECURE_BIND", message, "use 127.0.0.1:9464, and a proxy that knows who may look")
    try:
        return MetricsServer(host, int(port))
    except OSError as error:
        message = f"metrics cannot be served at {address}: {error.strerror}"
        raise ProtocolError("E_ADDRESS", message, "choose another port with --metrics") from error


def _ignore(request: object, client_address: object) -> None:
    """Say nothing of a scraper that hung up: the standard library would print a traceback on the terminal."""


def _counted(parts: Parts, metric: str, label: str) -> dict[str, float]:
    return {f'{label}="{value}"': count for (name, value), count in parts.counts.items() if name == metric}


def _lines(name: str, values: Mapping[str, float]) -> str:
    kind, _, text = HELP[name].partition(" ")
    head = f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    return head + "".join(
        f"{name}{{{labels}}} {n:g}\n" if labels else f"{name} {n:g}\n" for labels, n in values.items()
    )
