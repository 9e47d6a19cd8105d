# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck worker``: run jobs of a server on another machine until Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import click

from limbeck_protocol.connection import Endpoint, read_connection_file
from limbeck_protocol.errors import ProtocolError
from limbeck_server.commands.serve import STOP_SIGNALS
from limbeck_server.devices import find_devices
from limbeck_server.settings import CORE_ENGINE, MAX_WORKERS, data_folder, state_folder


@click.command()
@click.option("--connect", metavar="ADDRESS", help="tcp://HOST:PORT of the server's workers. Default: the key file's.")
@click.option(
    "--key",
    "key_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Made at the server by 'limbeck keys new NAME --authorize worker --address ADDRESS'.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    help="Worker processes. Default: one for each NVIDIA GPU, or one.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="For files while they are needed.")
@click.option("--engine", default=CORE_ENGINE, hidden=True, help="module:function that workers run, for tests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once the server has let the workers in.")
def worker(
    connect: str | None, key_file: Path, workers: int | None, folder: Path | None, engine: str, as_json: bool
) -> None:
    """Run jobs of a server on another machine, which was started with --executor static."""
    from limbeck_server.worker_host import Host, run_host  # noqa: PLC0415 - other commands need not load it

    endpoint = worker_endpoint(key_file, connect)
    should_stop = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        should_stop.set()
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    logging.basicConfig(level=logging.WARNING, format="limbeck worker: %(message)s")
    devices = find_devices(workers)
    host = Host(endpoint, devices, engine, folder or data_folder() / "worker", state_folder())

    def announce() -> None:
        if as_json:
            click.echo(json.dumps({"address": endpoint.address, "workers": len(devices), "pid": os.getpid()}))

    run_host(host, should_stop.is_set, lambda text: click.echo(f"limbeck worker: {text}", err=True), announce)
    click.echo("stopped", err=True)


def worker_endpoint(key_file: Path, connect: str | None) -> Endpoint:
    """Return where to dial, and with which key.

    Raises:
        ProtocolError: E_CONNECTION_FILE or E_ADDRESS.
    """
    try:
        endpoint = read_connection_file(key_file)
    except FileNotFoundError as error:
        remedy = "make it at the server: limbeck keys new NAME --authorize worker --address tcp://HOST:PORT"
        raise ProtocolError("E_CONNECTION_FILE", f"there is no key file {key_file}", remedy) from error
    if not (endpoint.server_key and endpoint.client_public and endpoint.client_secret):
        remedy = "make another at the server: limbeck keys new NAME --authorize worker"
        raise ProtocolError("E_CONNECTION_FILE", f"expected keys in {key_file}, got none", remedy)
    address = connect or endpoint.address
    try:
        parts = urlsplit(address)
        is_address = parts.scheme == "tcp" and bool(parts.hostname) and parts.port is not None
    except ValueError:
        is_address = False
    if not is_address:
        raise ProtocolError("E_ADDRESS", f"expected tcp://HOST:PORT, got {address[:200]!r}", "correct --connect")
    return replace(endpoint, address=address)
