# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck models list|show|pull|verify|prune|convert``: published weights on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import click

from limbeck.catalogue.entries import CATALOGUE, find_entry
from limbeck.catalogue.records import read_record, recorded_names
from limbeck.errors import LimbeckError
from limbeck_server.console import ProgressReport

BYTES_PER_HALF = 2
MEGABYTE = 1_000_000
as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object or array.")


@click.group()
def models() -> None:
    """Fetch published weights, such as Stable Diffusion, and check them."""


@models.command("list")
@as_json_option
def list_models(as_json: bool) -> None:
    """List the catalogue, and what else was pulled."""
    rows = [_row(name) for name in (*CATALOGUE, *(name for name in recorded_names() if name not in CATALOGUE))]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(len(row["alias"]) for row in rows)
    for row in rows:
        state = "installed" if row["installed"] else "-"
        size = f"{row['size_bytes'] / 1e9:5.1f} GB" if row["size_bytes"] else "?"
        click.echo(f"{row['alias']:{width}}  {size:>8}  {state:9}  {row['summary']}")


@models.command()
@click.argument("name")
@as_json_option
def show(name: str, as_json: bool) -> None:
    """Print what a model is, where it comes from, its licence, and what goes with it."""
    entry, record = find_entry(name), read_record(name)
    facts = {
        **_row(name),
        "kind": entry.kind,
        "licence_in_short": entry.licence.in_short,
        "sources": [asdict(source) for source in entry.sources],
        "parameters": entry.parameters,
        "companions": dict(entry.companions),
        "folder": str(record.folder) if record else "",
        "commit": record.commit if record else "",
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(f"{name}: {entry.summary}")
    for key in ("kind", "licence", "licence_in_short", "parameters", "folder", "commit"):
        click.echo(f"  {key.replace('_', ' ')}: {facts[key] or '-'}")
    for source in entry.sources:
        click.echo(f"  source: {source.repo} at {source.revision or 'its newest commit'}")
    for role, companion in entry.companions.items():
        click.echo(f"  {role.replace('_', ' ')}: {companion}")


@models.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--precision", type=click.Choice(("half", "full")), default="half", show_default=True)
@as_json_option
def pull(names: tuple[str, ...], precision: Any, as_json: bool) -> None:
    """Download models (aliases, or OWNER/NAME), or what is missing of them; a broken download goes on."""
    from limbeck.catalogue import hub  # noqa: PLC0415 - imports the hub's client

    rows = []
    with ProgressReport() as report:
        for name in names:
            record = hub.pull(name, precision, _shown(report, name))
            rows.append({**_row(name), "commit": record.commit, "folder": str(record.folder)})
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(f"{row['alias']}: {row['size_bytes'] / 1e9:.2f} GB, {row['source']} at {row['commit'][:12]}")


@models.command()
@click.argument("names", nargs=-1)
@as_json_option
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read every file again and compare its SHA-256; without NAMES all models that were pulled."""
    from limbeck.catalogue import hub  # noqa: PLC0415 - imports the hub's client

    problems = {name: hub.verify(name) for name in names or recorded_names()}
    if as_json:
        click.echo(json.dumps([{"alias": name, "problems": list(found)} for name, found in problems.items()]))
    else:
        for name, found in problems.items():
            click.echo(f"{name}: {'; '.join(found) or 'as it was pulled'}")
        if not problems:
            click.echo("no model was pulled; limbeck models list has those that can be")
    damaged = [name for name, found in problems.items() if found]
    if damaged:
        message = f"damaged: {', '.join(damaged)}"
        raise LimbeckError("E_MODEL_INCOMPLETE", message, f"limbeck models pull {' '.join(damaged)}")


@models.command()
@click.argument("names", nargs=-1, required=True)
@as_json_option
def prune(names: tuple[str, ...], as_json: bool) -> None:
    """Delete models from this machine; files that another one needs stay."""
    from limbeck.catalogue import hub  # noqa: PLC0415 - imports the hub's client

    freed = {name: hub.prune(name) for name in names}
    if as_json:
        click.echo(json.dumps([{"alias": name, "freed_bytes": size} for name, size in freed.items()]))
        return
    for name, size in freed.items():
        click.echo(f"{name}: {size / 1e9:.2f} GB freed")


@models.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="The folder to make.")
@click.option("--base", default="sd-2.1-base", show_default=True, help="What the checkpoint was trained from.")
@as_json_option
def convert(file: Path, folder: Path, base: str, as_json: bool) -> None:
    """Make a folder in diffusers' layout of MVDream's original checkpoint, without running code in it."""
    from limbeck.priors.converting import convert_mvdream  # noqa: PLC0415 - imports torch and diffusers

    with ProgressReport() as report:
        convert_mvdream(file, folder, base, partial(report.update, "converting"))
    if as_json:
        click.echo(json.dumps({"folder": str(folder.resolve())}))
        return
    click.echo(f"{folder}: give it as --prior, or as the subfolder multi_view of a folder with other models")


def _row(name: str) -> dict[str, Any]:
    """Return a model as ``models list --json`` prints it; of one that was not pulled the size is an estimate."""
    record, entry = read_record(name), CATALOGUE.get(name)
    source = record.repo if record else entry.sources[0].repo if entry else name
    estimate = entry.parameters * BYTES_PER_HALF if entry else 0
    return {
        "alias": name,
        "source": source,
        "licence": entry.licence.name if entry else "see its page",
        "size_bytes": record.size_bytes if record else estimate,
        "installed": record is not None,
        "summary": entry.summary if entry else "not in the catalogue",
    }


def _shown(report: ProgressReport, name: str) -> Callable[[int, int, str], None]:
    def show_bytes(done: int, total: int, path: str) -> None:
        report.update(f"pulling {name} (MB)", done // MEGABYTE, total // MEGABYTE, path)

    return show_bytes
