# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck lab list``, ``run NAME`` and ``report``: the papers' claims, measured on the embedded priors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from limbeck.lab.catalogue import EXPERIMENTS
from limbeck.lab.experiments import PROFILES, chosen_arms, find_experiment
from limbeck_server.console import ProgressReport

if TYPE_CHECKING:
    from limbeck.lab.runner import LabProgress, LabSettings

output_option = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder of the results."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to stderr.")


@click.group()
def lab() -> None:
    """Put the papers' claims to the test where the truth is known: docs/lab.md."""


@lab.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_experiments(as_json: bool) -> None:
    """List the experiments, what each puts to the test, and its arms."""
    if as_json:
        click.echo(json.dumps([{"name": one.name, "claim": one.claim} for one in EXPERIMENTS.values()]))
        return
    for one in EXPERIMENTS.values():
        click.echo(f"{one.name}: {one.claim}\n    {', '.join(arm.name for arm in one.arms)}")


@lab.command()
@click.argument("name")
@click.option("--profile", type=click.Choice(list(PROFILES)), default="quick", show_default=True)
@click.option("--seeds", type=click.IntRange(1, 1000), help="How many; the profile's own by default.")
@click.option("--prompts", help="Separated by commas, such as 'a blue penguin,a red car'; the profile's by default.")
@click.option("--arms", help="Separated by commas; all by default.")
@click.option("--priors", type=click.Path(path_type=Path), help="Folder of priors that are not embedded, by name.")
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", show_default=True)
@output_option
@json_option
def run(name: str, profile: str, output: Path, as_json: bool, **options: Any) -> None:
    """Run an experiment; what is finished already is not run again. Then report."""
    experiment = find_experiment(name)
    arms = chosen_arms(experiment, _split(options["arms"]))
    with ProgressReport() as report:
        report.update("loading", 0, 0, "the program")
        from limbeck.lab.experiments import PROMPTS  # noqa: PLC0415
        from limbeck.lab.runner import LabSettings  # noqa: PLC0415 - imports torch

        chosen = PROFILES[profile]
        settings = LabSettings(
            experiment,
            arms,
            chosen,
            options["seeds"] or chosen.seeds,
            tuple(_split(options["prompts"])) or PROMPTS[: chosen.prompts],
            output,
            options["priors"],
            options["device"],
        )
        _run(settings, report)
    _report(output, as_json)


@lab.command()
@output_option
@json_option
def report(output: Path, as_json: bool) -> None:
    """Report what has finished so far: tables here, and the page report.html in the folder."""
    _report(output, as_json)


def _split(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _run(settings: LabSettings, report: ProgressReport) -> None:
    from limbeck.lab.runner import run_experiment  # noqa: PLC0415 - imports torch

    def tell(progress: LabProgress) -> None:
        where = f"{progress.arm}, {progress.prompt}, seed {progress.seed}: run {progress.done + 1} of {progress.total}"
        report.update("running", progress.step, progress.steps, where + _left(progress.seconds_left))

    try:
        results = run_experiment(settings, tell)
    except KeyboardInterrupt:
        report.say(f"finished runs are kept in {settings.results_path}; the same command goes on from there")
        raise
    for row in results.rows:
        if row["kind"] == "refused":
            report.say(f"{row['arm']} could not be run: {row['code']}: {row['message']}; {row['remedy']}")


def _left(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", {seconds / 60:.0f} min left" if seconds >= 90 else f", {seconds:.0f} s left"


def _report(folder: Path, as_json: bool) -> None:
    from limbeck.assets.atomic import write_bytes_atomically  # noqa: PLC0415
    from limbeck.lab.page import html_page  # noqa: PLC0415 - imports torch
    from limbeck.lab.report import REPORT_FILE, read_sections, section_lines, section_plain  # noqa: PLC0415

    sections, errors = read_sections(folder)
    problems = [str(error) for error in errors]
    page = folder / REPORT_FILE
    write_bytes_atomically(page, html_page(sections, problems).encode())
    if as_json:
        plain = [section_plain(section) for section in sections]
        click.echo(json.dumps({"file": str(page), "experiments": plain, "problems": problems}))
        return
    for problem in problems:
        click.echo(f"warning {problem}", err=True)
    for section in sections:
        click.echo("\n".join(section_lines(section)) + "\n")
    click.echo(str(page))
