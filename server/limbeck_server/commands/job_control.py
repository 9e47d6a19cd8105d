# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands that change jobs on a server: cancel, pause, resume, finish, move, retry, fork."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from limbeck.assets.atomic import require_writable
from limbeck_protocol import blocking
from limbeck_protocol.client import Client, JobChanged, Submitted
from limbeck_protocol.job import TERMINAL_STATES
from limbeck_protocol.overrides import parse_override
from limbeck_protocol.typed import to_plain
from limbeck_server.commands.downloading import download
from limbeck_server.commands.job_options import FORMATS, choose_format, read_recipe, read_rig
from limbeck_server.commands.jobs import connected, follow, job_argument, json_option, say

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="With --wait: download the asset to this file."
)
wait_option = click.option("--wait", is_flag=True, help="Show progress and end with the job.")
key_option = click.option("--key", help="Asking again with the same key gives the same job, not a second one.")


@click.command()
@job_argument
@click.option("--attempt", type=int, help="Only this attempt: if it is not the current one, nothing is cancelled.")
@json_option
def cancel(job: str, attempt: int | None, as_json: bool) -> None:
    """Cancel a job: at once if it waits, at the next step if it runs."""
    state = change(lambda client: client.cancel(job, attempt))
    say({"job": job, "state": state}, as_json, _told(job, state, "is being cancelled"))


@click.command()
@job_argument
@json_option
def pause(job: str, as_json: bool) -> None:
    """Let a job write a checkpoint and free its device; 'limbeck resume' lets it go on."""
    state = change(lambda client: client.pause(job))
    say({"job": job, "state": state}, as_json, f"{job} {state}")


@click.command()
@job_argument
@json_option
def resume(job: str, as_json: bool) -> None:
    """Put a paused job back in the queue."""
    state = change(lambda client: client.resume(job))
    say({"job": job, "state": state}, as_json, f"{job} {state}")


@click.command()
@job_argument
@json_option
def finish(job: str, as_json: bool) -> None:
    """Stop a job here and keep what there is: its asset is made now."""
    state = change(lambda client: client.finish(job))
    say({"job": job, "state": state}, as_json, _told(job, state, "is being finished"))


@click.command()
@job_argument
@click.option("--priority", type=int, help="Jobs of higher priority go first; the default is 0.")
@click.option("--first", "to", flag_value="first", help="Before all others of its priority.")
@click.option("--last", "to", flag_value="last", help="After all others of its priority.")
@json_option
def move(job: str, priority: int | None, to: str | None, as_json: bool) -> None:
    """Change when a waiting job is run."""
    if priority is None and to is None:
        raise click.UsageError("expected --priority, --first or --last", click.get_current_context())
    state = change(lambda client: client.move(job, priority=priority, to=to or ""))
    say({"job": job, "state": state}, as_json, f"{job} {state}")


@click.command()
@job_argument
@click.option("--from-start", is_flag=True, help="Not from its newest checkpoint.")
@output_option
@wait_option
@key_option
@json_option
def retry(job: str, from_start: bool, output: Path | None, wait: bool, key: str | None, as_json: bool) -> None:
    """Submit a failed or cancelled job again and print the new job's id; it goes on from the newest checkpoint."""
    descend(lambda client: client.retry(job, key, from_start=from_start), job, output, wait, as_json)


@click.command()
@job_argument
@click.option("--at", "--step", "step", type=int, help="The step of the checkpoint; default: the newest.")
@click.option("--prompt", help="Another prompt.")
@click.option("--negative", help="Another negative prompt.")
@click.option("--format", "file_format", type=click.Choice(FORMATS), help="Another format; also by the suffix of -o.")
@click.option("--recipe", help="Another recipe's name or JSON file, with the same representation.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting; may be repeated.")
@click.option("--cameras", type=click.Path(path_type=Path), help="A transforms.json with cameras to look from.")
@click.option("--steps", type=int, help="Steps in all, those of the checkpoint included.")
@click.option("--faces", type=int)
@click.option("--texture-size", type=int)
@output_option
@wait_option
@key_option
@json_option
def fork(
    job: str, step: int | None, output: Path | None, wait: bool, key: str | None, as_json: bool, **options: Any
) -> None:
    """Submit a job that goes on from a checkpoint of JOB with other settings, and print its id."""
    changes = changes_from_options(options, output)
    descend(lambda client: client.fork(job, changes, step=step, key=key), job, output, wait, as_json)


def changes_from_options(options: dict[str, Any], output: Path | None) -> dict[str, Any]:
    """Return the fields of the job description that the options change.

    Raises:
        JobError: E_SCHEMA, E_FORMAT or E_FILE.
    """
    named = {"prompt": "prompt", "negative": "negative_prompt"}
    names = {**named, **{name: name for name in ("steps", "faces", "texture_size")}}
    changes = {field: options[name] for name, field in names.items() if options[name] is not None}
    if options["recipe"] is not None:
        changes["recipe"] = read_recipe(options["recipe"])
    if options["settings"]:
        changes["overrides"] = dict(parse_override(text) for text in options["settings"])
    if options["cameras"] is not None:
        changes["rig"] = to_plain(read_rig(options["cameras"]))
    if options["file_format"] is not None or output is not None:
        changes["format"] = choose_format(options["file_format"], output)
    return changes


def change(ask: Callable[[Client], str]) -> str:
    """Ask for a job to be changed, and return its state."""
    with connected() as client:
        ask(client)
        return blocking.expect(client, JobChanged).state


def descend(ask: Callable[[Client], str], parent: str, output: Path | None, wait: bool, as_json: bool) -> None:
    """Ask for a job made from another, and see it through if that is wanted.

    Raises:
        LimbeckError: E_OUTPUT_UNWRITABLE or E_DISK_FULL; nothing is asked for then.
    """
    if output is not None:
        require_writable(output)
    with connected() as client:
        ask(client)
        job = blocking.expect(client, Submitted).job
        result: dict[str, Any] = {"job": job, "parent": parent}
        if wait:
            result["state"] = follow(client, job).state
            if output is not None:
                result["file"] = str(download(client, job, output))
    say(result, as_json, result.get("file", job))


def _told(job: str, state: str, otherwise: str) -> str:
    return f"{job} {state}" if state in TERMINAL_STATES else f"{job} {otherwise}"
