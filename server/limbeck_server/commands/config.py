# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck config``: the settings of ``limbeck serve`` as they are now, and where each comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from limbeck_server.configuration import FILE_NAME, effective_settings, settings_from
from limbeck_server.settings import config_folder


@click.group()
def config() -> None:
    """Look at the settings: defaults, then config.toml, then LIMBECK_* in the environment, then flags."""


@config.command()
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(origin: bool, as_json: bool) -> None:
    """Print every setting that 'limbeck serve' would use without flags."""
    settings = effective_settings()
    settings_from(settings)  # refuses what is out of range
    if as_json:
        listed = [{"name": one.name, "value": _plain(one.value), "origin": one.origin} for one in settings]
        click.echo(json.dumps({"file": str(config_folder() / FILE_NAME), "settings": listed}))
        return
    for one in settings:
        value = f"{one.name} = {json.dumps(_plain(one.value))}"
        click.echo(f"{value:60} # {one.origin}" if origin else value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
