# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that look into a server: top and logs."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from limbeck_protocol import blocking
from limbeck_protocol.client import Busyness, Client, LogText, Status
from limbeck_protocol.job import TERMINAL_STATES
from limbeck_server.commands.jobs import connected, job_argument, json_option, line_text, say, vars_of

INTERVAL_S = 1.0


@click.command()
@click.option("--once", is_flag=True, help="Print once, as when the output is no terminal.")
@json_option
def top(once: bool, as_json: bool) -> None:
    """Show the server's workers and its queue, every second until Ctrl-C."""
    console = Console()
    with connected() as client:
        if as_json or once or not console.is_terminal:
            busy = ask(client)
            say(busy_fields(busy), as_json, "\n".join(busy_lines(busy)))
            return
        try:
            with Live(table_of(ask(client)), console=console, auto_refresh=False) as live:
                while True:
                    time.sleep(INTERVAL_S)
                    live.update(table_of(ask(client)), refresh=True)
        except KeyboardInterrupt:
            return


@click.command()
@job_argument
@click.option("-f", "--follow", is_flag=True, help="Go on until the job ends.")
@json_option
def logs(job: str, follow: bool, as_json: bool) -> None:
    """Print a job's log: its states, stages, warnings and errors with their times."""
    with connected() as client:
        text = log_of(client, job)
        if as_json:
            click.echo(json.dumps({"job": job, "lines": text.splitlines()}))
            return
        click.echo(text, nl=False)
        while follow and not has_ended(client, job):
            time.sleep(INTERVAL_S)
            text = echo_new(text, log_of(client, job))
        if follow:
            echo_new(text, log_of(client, job))


def ask(client: Client) -> Busyness:
    """Return what the server is doing."""
    client.top()
    return blocking.expect(client, Busyness)


def log_of(client: Client, job: str) -> str:
    """Return a job's log."""
    client.log(job)
    return blocking.expect(client, LogText).text


def has_ended(client: Client, job: str) -> bool:
    """Say whether nothing more will come."""
    client.status(job)
    (line,) = blocking.expect(client, Status).jobs
    return line.state in TERMINAL_STATES


def echo_new(before: str, now: str) -> str:
    """Print the lines that have come since; a log that was shortened in between is told apart by its last line."""
    last = before.rpartition("\n")[0].rpartition("\n")[2]
    _, found, rest = now.partition(f"{last}\n") if last else ("", "", now)
    click.echo(rest if found or not last else now, nl=False)
    return now


def busy_fields(busy: Busyness) -> dict[str, Any]:
    """Return the JSON object of docs/commands.md."""
    server = {"state": busy.server.state, "epoch": busy.server.epoch, "version": busy.server.version}
    workers = [asdict(worker) for worker in busy.workers]
    queue = [vars_of(line) for line in busy.queue]
    return {"server": server, "workers": workers, "queue": queue, "waiting": busy.waiting, "clients": busy.clients}


def busy_lines(busy: Busyness) -> list[str]:
    """Return the same as text."""
    head = f"server {busy.server.version}: {busy.server.state}, {busy.waiting} waiting, {busy.clients} clients"
    lines = [head]
    for worker in busy.workers:
        steps = f"{worker.step}/{worker.steps}" if worker.steps else ""
        doing = f"{worker.job}  attempt {worker.attempt}  {worker.stage} {steps}" if worker.job else ""
        lines.append(f"{worker.device:12} {worker.state:9} {worker.memory_mb:8.0f} MB  {doing}".rstrip())
    return [*lines, *map(line_text, busy.queue)]


def table_of(busy: Busyness) -> Table:
    """Return the same as a table for a terminal."""
    head, *rest = busy_lines(busy)
    table = Table(title=Text(head), show_header=False, title_justify="left", box=None)
    for line in rest:
        table.add_row(Text(line))
    return table
