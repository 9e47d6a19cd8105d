# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck recipes`` and ``limbeck recipes show NAME``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from limbeck.hosts import HOSTS, Needs, fits, fits_to_plain, needs_of, needs_of_card
from limbeck.recipes import CARDS, DEFAULT_RECIPE
from limbeck_protocol.overrides import parse_override


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.pass_context
def recipes(context: click.Context, as_json: bool) -> None:
    """List the recipes, or show one."""
    if context.invoked_subcommand is not None:
        return
    rows = [
        {"name": name, "paper": card.paper, "summary": card.summary, "hosts": fits_to_plain(needs_of_card(card))}
        for name, card in CARDS.items()
    ]
    if as_json:
        click.echo(json.dumps(rows))
        return
    width = max(map(len, CARDS))
    for row in rows:
        mark = " (default)" if row["name"] == DEFAULT_RECIPE else ""
        on = hosts_in_short(needs_of_card(CARDS[row["name"]]))
        click.echo(f"{row['name']:{width}}  {row['summary']}{mark}  [{row['paper']}; {on}]")


@recipes.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting first, as in generate.")
@click.option("--json", "as_json", is_flag=True, help="Print a file that 'generate --recipe' accepts.")
@click.option("--hosts", "only_hosts", is_flag=True, help="Print the published models that it runs on alone.")
def show(name: str, settings: tuple[str, ...], as_json: bool, only_hosts: bool) -> None:
    """Print a recipe's equation, what it runs on, and every setting, by the key that --set takes."""
    from limbeck.config import override, recipe_to_plain  # noqa: PLC0415 - imports torch
    from limbeck.equation import equation_of  # noqa: PLC0415 - imports torch
    from limbeck.recipes import load_recipe  # noqa: PLC0415 - imports torch

    recipe = override(load_recipe(name), dict(parse_override(text) for text in settings))
    plain, needs = recipe_to_plain(recipe), needs_of(recipe)
    if as_json:
        click.echo(json.dumps(fits_to_plain(needs) if only_hosts else plain, indent=2))
        return
    if only_hosts:
        show_hosts(needs)
        return
    click.echo(f"{recipe.name}: {recipe.summary} [{recipe.paper}]\n")
    for line in equation_of(recipe):
        click.echo(f"  {line}")
    click.echo()
    show_hosts(needs)
    click.echo()
    for key, value in flatten(plain):
        click.echo(f"{key} = {json.dumps(value)}")


def hosts_in_short(needs: Needs) -> str:
    """Return on which published models a recipe runs, in a few words."""
    able = [fit for fit in fits(needs) if fit.runs]
    names = "any host" if len(able) == len(HOSTS) else ", ".join(fit.host for fit in able)
    return f"{names} with a classifier of your own" if any(fit.lacks for fit in able) else names


def show_hosts(needs: Needs) -> None:
    """Print how a recipe runs on each published text-to-image model: with --prior ALIAS, once all was pulled."""
    click.echo("runs on")
    for fit in fits(needs):
        text = fit.in_words if not fit.runs else f"{fit.in_words}, pull {' '.join(fit.models)}"
        click.echo(f"  {fit.host:{max(map(len, HOSTS))}}  {text}")


def flatten(plain: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every leaf of a plain recipe with its dotted key; schedules count as leaves."""
    is_list_of_parts = isinstance(plain, list) and bool(plain) and isinstance(plain[0], dict)
    if not isinstance(plain, dict) and not is_list_of_parts:
        yield prefix, plain
        return
    items = plain.items() if isinstance(plain, dict) else enumerate(plain)
    for key, value in items:
        yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
