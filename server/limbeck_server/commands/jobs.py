# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands for jobs on a server: submit, status, watch, get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import click

from limbeck import __version__
from limbeck.assets.atomic import require_writable
from limbeck_protocol import blocking
from limbeck_protocol.client import (
    Client,
    ClientEvent,
    Disconnected,
    JobChanged,
    JobProgress,
    JobWarning,
    RequestFailed,
    Status,
    Submitted,
)
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import TERMINAL_STATES
from limbeck_protocol.messages import JobLine
from limbeck_server.commands.downloading import TRANSFER_TIMEOUT_S, download
from limbeck_server.commands.job_options import job_from_options, with_job_options
from limbeck_server.console import ProgressReport
from limbeck_server.failures import FailedJobError

CLIENT_ID = "limbeck-cli"
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error."
)
job_argument = click.argument("job")


@click.command()
@with_job_options
@click.option("-o", "--output", type=click.Path(path_type=Path), help="With --wait: download the asset to this file.")
@click.option("--wait", is_flag=True, help="Show progress and end with the job.")
@click.option("--key", help="Submitting again with the same key gives the same job, not a second one.")
@click.option("--priority", type=int, help="Jobs of higher priority go first; the default is 0.")
@json_option
def submit(
    output: Path | None, wait: bool, key: str | None, priority: int | None, as_json: bool, **options: Any
) -> None:
    """Queue a job on the running server and print its id."""
    if output is not None:
        require_writable(output)
    job = job_from_options(options, output)
    with connected() as client:
        client.submit(job, key, priority)
        submitted = blocking.expect(client, Submitted, TRANSFER_TIMEOUT_S)
        result: dict[str, Any] = {"job": submitted.job}
        if wait:
            result["state"] = follow(client, submitted.job).state
            if output is not None:
                result["file"] = str(download(client, submitted.job, output))
    say(result, as_json, result.get("file", submitted.job))


@click.command()
@click.argument("job", required=False)
@json_option
def status(job: str | None, as_json: bool) -> None:
    """Show the server and its jobs, newest first."""
    with connected() as client:
        client.status(job)
        answer = blocking.expect(client, Status)
    server = {"state": answer.server.state, "epoch": answer.server.epoch, "version": answer.server.version}
    jobs = [vars_of(line) for line in answer.jobs]
    lines = [f"server {answer.server.version}: {answer.server.state}", *map(line_text, answer.jobs)]
    say({"server": server, "jobs": jobs}, as_json, "\n".join(lines))


@click.command()
@job_argument
@json_option
def watch(job: str, as_json: bool) -> None:
    """Show a job's progress until it ends."""
    with connected() as client:
        end = follow(client, job)
    say({"job": job, "state": end.state, "step": end.step, "steps": end.steps}, as_json, f"{job} {end.state}")


@click.command()
@job_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The asset's file.")
@click.option("--step", type=int, help="Not the asset but the mesh that the job had then (.glb, .ply).")
@json_option
def get(job: str, output: Path, step: int | None, as_json: bool) -> None:
    """Download a finished job's asset, or the mesh of any job at a step that 'limbeck checkpoints' shows."""
    from limbeck_server.commands.steps import save_step_mesh  # noqa: PLC0415 - it imports this module

    require_writable(output)
    with connected() as client:
        file = download_asset(client, job, output) if step is None else save_step_mesh(client, job, step, output)
    say({"job": job, "file": str(file), "size_bytes": file.stat().st_size}, as_json, str(file))


@contextmanager
def connected() -> Iterator[Client]:
    """Give a client of the running server.

    Raises:
        ProtocolError: E_NO_SERVER, E_VERSION and their kin.
    """
    with closing(blocking.connect(f"limbeck-cli {__version__}", CLIENT_ID)) as client:
        yield client


def follow(client: Client, job: str) -> JobChanged:
    """Show a job's progress until it has succeeded.

    Raises:
        FailedJobError: the job's own error if it failed.
        ProtocolError: E_CANCELLED, or E_INTERRUPTED on Ctrl-C: the job goes on then.
    """
    client.watch(job, previews=False)
    try:
        with ProgressReport() as report:
            for event in blocking.events(client):
                show(report, event)
                if isinstance(event, JobChanged) and event.state in TERMINAL_STATES:
                    return succeeded(event)
    except KeyboardInterrupt as interrupt:
        remedy = f"cancel it with: limbeck cancel {job}"
        raise ProtocolError("E_INTERRUPTED", f"stopped watching; job {job} goes on", remedy) from interrupt
    raise AssertionError("blocking.events() ends only by raising")


def show(report: ProgressReport, event: ClientEvent) -> None:
    """Show one event.

    Raises:
        ProtocolError: the request's error if it failed.
    """
    match event:
        case JobProgress():
            report.update(event.stage, event.step, event.steps, event.message)
        case JobWarning():
            report.warn(event.code, event.message)
        case JobChanged(state="interrupted", error=ProtocolError() as error):
            report.warn(error.code, f"{error.message}; the job goes on from its newest checkpoint")
        case JobChanged(state="queued" | "starting" | "pausing" | "paused"):
            report.update(event.state, 0, 0)
        case JobChanged(state="running") if event.step:
            report.say(f"goes on from step {event.step}")
        case Disconnected(is_final=False):  # else the refusal itself is what the command ends with
            report.say(f"{event.reason}; trying again")
        case RequestFailed():
            raise event.error


def succeeded(end: JobChanged) -> JobChanged:
    """Return the end of a job that succeeded.

    Raises:
        FailedJobError: the job's error.
        ProtocolError: E_CANCELLED.
    """
    if end.state == "cancelled":
        raise ProtocolError("E_CANCELLED", f"job {end.job} was cancelled", "submit it again")
    if end.state == "failed":
        error = end.error or ProtocolError("E_UNKNOWN", f"job {end.job} failed", "see the server's log")
        raise FailedJobError(error.code, error.message, error.remedy, trace_id=error.trace_id)
    return end


def require_success(client: Client, job: str) -> None:
    """Say why a job that has ended left no asset.

    Raises:
        ProtocolError: the job's error if it failed, E_CANCELLED, or E_NOT_FOUND if there is no such job.
    """
    client.status(job)
    (line,) = blocking.expect(client, Status).jobs
    if line.state in TERMINAL_STATES:
        client.watch(job, previews=False)
        while (change := blocking.expect(client, JobChanged)).state not in TERMINAL_STATES:
            pass  # a watch tells the whole story, and the end comes last
        succeeded(change)


def download_asset(client: Client, job: str, output: Path) -> Path:
    """Fetch a job's asset, or say why there is none.

    Raises:
        ProtocolError: as ``download`` and ``require_success`` do.
    """
    try:
        return download(client, job, output)
    except ProtocolError as error:
        if error.code == "E_NOT_FOUND":
            require_success(client, job)
        raise


def vars_of(line: JobLine) -> dict[str, Any]:
    """Return a job's line as the JSON object of docs/commands.md."""
    names = ("job", "state", "step", "steps", "prompt", "recipe", "position")
    return {name: getattr(line, name) for name in (*names, "created", "ended", "error", "mine", "parent")}


def line_text(line: JobLine) -> str:
    """Return a job's line as text."""
    steps = f"{line.step}/{line.steps}" if line.steps else ""
    prompt = " ".join(line.prompt.split())
    state = line.state if line.position is None else f"{line.state} {line.position}"
    return f"{line.job}  {state:11} {steps:>11}  {line.recipe:12} {prompt[:60]}"


def say(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a command's one result on standard output."""
    click.echo(json.dumps(result) if as_json else text)
