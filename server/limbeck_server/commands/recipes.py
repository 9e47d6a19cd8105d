# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck recipes`` and ``limbeck recipes show NAME``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from limbeck.recipes import CARDS, DEFAULT_RECIPE
from limbeck_protocol.overrides import parse_override


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def recipes(context: click.Context, as_json: bool) -> None:
    """List the recipes, or show one."""
    if context.invoked_subcommand is not None:
        return
    rows = [{"name": name, "paper": card.paper, "summary": card.summary} for name, card in CARDS.items()]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(map(len, CARDS))
    for row in rows:
        mark = " (default)" if row["name"] == DEFAULT_RECIPE else ""
        click.echo(f"{row['name']:{width}}  {row['summary']}{mark}  [{row['paper']}]")


@recipes.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting first, as in generate.")
@click.option("--json", "as_json", is_flag=True, help="Print a file that 'generate --recipe' accepts.")
def show(name: str, settings: tuple[str, ...], as_json: bool) -> None:
    """Print a recipe's equation and every setting, by the key that --set takes."""
    from limbeck.config import override, recipe_to_plain  # noqa: PLC0415 - imports torch
    from limbeck.equation import equation_of  # noqa: PLC0415 - imports torch
    from limbeck.recipes import load_recipe  # noqa: PLC0415 - imports torch

    recipe = override(load_recipe(name), dict(parse_override(text) for text in settings))
    plain = recipe_to_plain(recipe)
    if as_json:
        click.echo(json.dumps(plain, indent=2))
        return
    click.echo(f"{recipe.name}: {recipe.summary} [{recipe.paper}]\n")
    for line in equation_of(recipe):
        click.echo(f"  {line}")
    click.echo()
    for key, value in flatten(plain):
        click.echo(f"{key} = {json.dumps(value)}")


def flatten(plain: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a plain recipe with its dotted key; schedules count as leaves."""
    is_list_of_parts = isinstance(plain, list) and bool(plain) and isinstance(plain[0], dict)
    if not isinstance(plain, dict) and not is_list_of_parts:
        yield prefix, plain
        return
    items = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in items:
        yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
