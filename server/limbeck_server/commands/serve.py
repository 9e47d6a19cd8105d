# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck serve``: run the server until Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import signal
import threading
from types import FrameType
from typing import Any

import click

from limbeck_protocol.connection import Endpoint
from limbeck_server.configuration import load_settings
from limbeck_server.logs import close_log, open_log
from limbeck_server.open_files import allow_many_connections
from limbeck_server.settings import EXECUTORS, ServerSettings
from limbeck_server.systemd import notify
from limbeck_server.transport import server_side

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@click.command()
@click.option("--bind", metavar="ADDRESS", help="Default: a Unix socket that only you can open, else loopback TCP.")
@click.option("--metrics", metavar="HOST:PORT", help="Answer Prometheus there, on this machine only: 127.0.0.1:9464.")
@click.option("--workers", type=int, help="Worker processes. Default: one for each NVIDIA GPU, or one.")
@click.option("--milestones", type=int, help="Checkpoints of a job that stay, with their meshes; 0: none. Default: 8.")
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    help="Where workers run: here (the default), wherever 'limbeck worker' is started, or where Ray places them.",
)
@click.option("--worker-bind", metavar="ADDRESS", help="Where workers elsewhere dial. Default: as --bind, next port.")
@click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster.")
@click.option("--advertise", metavar="HOST", help="By which workers that Ray places find this machine.")
@click.option("--gpus-per-job", type=float, help="That Ray reserves for each worker. Default: 1")
@click.option("--max-workers", type=int, help="That Ray is asked for. Default: as many as its GPUs allow.")
@click.option("--engine", hidden=True, help="module:function that workers run, for tests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the server listens.")
def serve(as_json: bool, **flags: Any) -> None:
    """Run the server; jobs are submitted by 'limbeck submit', by Blender, or by the Python client."""
    from limbeck_server.service import serve as run_server  # noqa: PLC0415 - other commands need not load it

    settings = load_settings(**flags)
    should_stop = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        should_stop.set()
        signal.signal(number, signal.SIG_DFL)  # a second one does not wait

    for number in STOP_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP, and means it
            signal.signal(number, stop)
    allow_many_connections()
    log = open_log(settings.state_folder)
    try:
        run_server(settings, should_stop.is_set, lambda endpoint: announce(settings, endpoint, as_json=as_json))
    finally:
        notify("STOPPING=1")
        close_log(log)
    click.echo("stopped", err=True)


def announce(settings: ServerSettings, endpoint: Endpoint, *, as_json: bool) -> None:
    """Say where the server listens, and to systemd that it does."""
    notify("READY=1")
    address = server_side(settings.client_address, endpoint.address)
    workers = server_side(settings.remote_worker_address or "", endpoint.workers)
    if as_json:
        names = ("pid", "epoch", "version")
        fields = {"address": address, "workers": workers or None} | {name: getattr(endpoint, name) for name in names}
        click.echo(json.dumps(fields))
    click.echo(f"limbeck {endpoint.version} listens on {address} (Ctrl-C stops it)", err=True)
    if workers:
        click.echo(f"waits for workers on other machines at {workers}", err=True)
    if any(one.startswith(("tcp://0.0.0.0:", "tcp://[::]:")) for one in (address, workers)):
        click.echo("from other machines dial this machine's own name or address instead of 0.0.0.0", err=True)
