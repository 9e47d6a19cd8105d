# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck evaluate``: measures of exported assets, over a list of prompts, resumed where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from limbeck.assets.atomic import require_writable
from limbeck.errors import LimbeckError
from limbeck.evaluation.prompt_files import Item, read_items, read_prompts, require_assets
from limbeck.evaluation.protocol import DEFAULT_MEASURES, LEAST_VIEWS, MEASURES, MOST_VIEWS, Protocol
from limbeck.recipes import DEFAULT_RECIPE, require_known
from limbeck.results import open_results
from limbeck_protocol.job import JobSpec
from limbeck_protocol.overrides import parse_override
from limbeck_server.commands.job_options import read_recipe
from limbeck_server.console import ProgressReport
from limbeck_server.evaluation_batch import Batch
from limbeck_server.exit_status import JOB_FAILED

A_PATH = click.Path(path_type=Path)
MAKING = ("recipe", "settings", "steps", "seed", "prior", "faces", "texture_size")


@click.command()
@click.argument("prompts", type=A_PATH)
@click.option("-o", "--output", required=True, type=A_PATH, help="Results, one JSON line an asset; goes on with it.")
@click.option("--assets", type=A_PATH, help="Folder of the assets. Default: where PROMPTS is.")
@click.option("--judge", default="embedded", show_default=True, help="embedded, clip-vit-b-32, or a CLIP folder.")
@click.option("--reward", type=A_PATH, help="Folder of ImageReward as safetensors, for T3Bench's quality.")
@click.option("--measures", default=",".join(DEFAULT_MEASURES), show_default=True, help=f"Of {', '.join(MEASURES)}.")
@click.option("--candidates", type=A_PATH, help="Prompts for R-Precision to choose among. Default: PROMPTS.")
@click.option("--views", type=click.IntRange(LEAST_VIEWS, MOST_VIEWS), default=24, show_default=True)
@click.option("--generate", is_flag=True, help="Make assets that are missing, with the options below.")
@click.option("--recipe", default=DEFAULT_RECIPE, show_default=True, help="A name, or a recipe's JSON file.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting; may be repeated.")
@click.option("--steps", type=int, help="Steps of optimisation. Default: the recipe's.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--prior", default="embedded", show_default=True)
@click.option("--faces", type=int, default=20_000, show_default=True)
@click.option("--texture-size", type=int, default=1024, show_default=True)
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
@click.pass_context
def evaluate(context: click.Context, prompts: Path, output: Path, as_json: bool, **options: Any) -> int:
    """Measure the assets of PROMPTS, a file with one prompt a line or one JSON object a line (.jsonl)."""
    folder = options["assets"] or prompts.parent
    items = read_items(prompts, folder)
    protocol = protocol_from_options(options, items)
    job = _job(context, options)
    if job is None:
        require_assets(items)
    require_writable(output)
    with ProgressReport() as report:
        outcome = _run(Batch(items, protocol, job), output, options["device"], report)
    click.echo(json.dumps(outcome) if as_json else "\n".join(lines_of(outcome)))
    return JOB_FAILED if outcome["failed"] else 0


def protocol_from_options(options: Mapping[str, Any], items: list[Item]) -> Protocol:
    """Return how to measure.

    Raises:
        LimbeckError: E_USAGE, E_PROMPT_FILE.
    """
    measures = tuple(name.strip() for name in options["measures"].split(",") if name.strip())
    unknown = [name for name in measures if name not in MEASURES]
    if unknown or not measures:
        message = f"expected measures of {', '.join(MEASURES)}, got {', '.join(unknown) or 'none'}"
        raise LimbeckError("E_USAGE", message, f"for example --measures {','.join(DEFAULT_MEASURES)}")
    if options["reward"] is not None and "t3" not in measures:
        message = "--reward is for T3Bench's quality, which --measures does not ask for"
        raise LimbeckError("E_USAGE", message, f"add it: --measures {','.join((*measures, 't3'))}")
    candidates = options["candidates"]
    given = dict.fromkeys(item.prompt for item in items) if candidates is None else read_prompts(candidates)
    return Protocol(options["judge"], options["reward"], measures, tuple(given), options["views"])


def _job(context: click.Context, options: Mapping[str, Any]) -> JobSpec | None:
    """Return how to make what is missing; None without --generate."""
    if not options["generate"]:
        given = [name for name in MAKING if _was_typed(context, name)]
        if given:
            message = f"--{given[0].replace('settings', 'set').replace('_', '-')} says how to make assets"
            raise LimbeckError("E_USAGE", f"{message}, but none is made", "add --generate, or leave it out")
        return None
    recipe = read_recipe(options["recipe"])
    if isinstance(recipe, str):
        require_known(recipe)
    prior = options["prior"]
    return JobSpec(
        prompt="an asset",
        recipe=recipe,
        overrides=dict(parse_override(text) for text in options["settings"]),
        prior=str(Path(prior).resolve()) if Path(prior).is_dir() else prior,
        seed=options["seed"],
        steps=options["steps"],
        faces=options["faces"],
        texture_size=options["texture_size"],
        device=options["device"],
    )


def _was_typed(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _run(batch: Batch, output: Path, device: str, report: ProgressReport) -> dict[str, Any]:
    """Refuse what cannot be done, then measure."""
    report.update("loading", 0, 0, "the program")
    from limbeck.evaluation.evaluate import load_panel  # noqa: PLC0415 - imports torch
    from limbeck.evaluation.words import require_readable  # noqa: PLC0415 - imports the playset
    from limbeck_server.evaluation import evaluate_batch, require_makeable, summary  # noqa: PLC0415 - imports torch
    from limbeck_server.quiet import quiet_libraries  # noqa: PLC0415 - imports torch

    quiet_libraries()
    for warning in require_readable(batch.protocol.judge, batch.texts):
        report.warn("W_PROMPT_WORDS", warning)
    require_makeable(batch)
    panel = load_panel(batch.protocol, device)
    results = open_results(output, batch.protocol.kind())
    evaluate_batch(batch, results, panel, report)
    return summary(batch, results)


def lines_of(outcome: Mapping[str, Any]) -> list[str]:
    """Return a table of means for a terminal."""
    width = max([len(name) for name in outcome["measures"]], default=0)
    lines = [f"{outcome['results']}: {outcome['assets']} assets, {len(outcome['failed'])} failed"]
    for name, mean in outcome["measures"].items():
        interval = "" if mean["low"] is None else f"  {mean['low']:.3f} to {mean['high']:.3f}"
        lines.append(f"{name:{width}}  {mean['mean']:8.3f}{interval}  n = {mean['n']}")
    return lines + [f"failed: {row['asset']}: {row['code']}: {row['message']}" for row in outcome["failed"]]
