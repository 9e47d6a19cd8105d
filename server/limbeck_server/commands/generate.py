# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck generate``: prompt to file in this process, without a server."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import psutil

from limbeck.assets.atomic import require_writable
from limbeck.errors import LimbeckError
from limbeck.recipes import require_known
from limbeck_protocol.job import JobSpec
from limbeck_server.commands.job_options import job_from_options, with_job_options
from limbeck_server.console import ProgressReport
from limbeck_server.engine import EngineFinished, EnginePreview, EngineProgress, EngineWarning

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@click.command()
@with_job_options
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="The asset's file.")
@click.option("--contact-sheet", type=click.Path(path_type=Path), help="Also draw the asset from eight sides.")
@click.option("--turntable", type=click.Path(path_type=Path), help="Also draw it turning: .mp4, .gif, .webp, .png.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; progress goes to standard error.")
def generate(output: Path, contact_sheet: Path | None, turntable: Path | None, as_json: bool, **options: Any) -> None:
    """Make a 3D asset from PROMPT."""
    started_at = psutil.Process().create_time()
    job = job_from_options(options, output)
    if isinstance(job.recipe, str):
        require_known(job.recipe)
    check_outputs([output, *companion_files(job, output)], contact_sheet, turntable)
    summary = run_with_progress(job, output, contact_sheet, turntable, started_at)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        size = "" if summary["format"] == "splats" else f"{summary['faces']} faces, "
        click.echo(f"{summary['file']}: {size}{summary['seconds']:.0f} s")


def companion_files(job: JobSpec, output: Path) -> list[Path]:
    """Return what a textured OBJ writes beside itself."""
    if job.format != "obj" or not job.texture_size or output.suffix.lower() == ".zip":
        return []
    from limbeck.assets.wavefront import companions  # noqa: PLC0415 - imports torch

    beside = companions(output)
    return [beside.material, beside.base_color, beside.normal_map]


def check_outputs(asset: list[Path], contact_sheet: Path | None, turntable: Path | None) -> None:
    """Refuse now what could not be written after minutes of work."""
    given = [*asset, *(path for path in (contact_sheet, turntable) if path is not None)]
    for path in given:
        require_writable(path)
    if len({path.resolve() for path in given}) < len(given):
        message = "expected different files for the asset and its pictures, got one path twice"
        raise LimbeckError("E_USAGE", message, "give each a name of its own")
    if contact_sheet is not None and contact_sheet.suffix.lower() not in PICTURE_SUFFIXES:
        message = f"expected a contact sheet as {', '.join(PICTURE_SUFFIXES)}, got {contact_sheet.name!r}"
        raise LimbeckError("E_FORMAT", message, "rename it")
    if turntable is not None:
        from limbeck.assets.turntable import turntable_format  # noqa: PLC0415 - imports torch

        turntable_format(turntable)


def run_with_progress(
    job: JobSpec, output: Path, contact_sheet: Path | None, turntable: Path | None, started_at: float
) -> dict[str, Any]:
    """Run the job, show how it goes, and return the JSON object of docs/commands.md."""
    with ProgressReport() as report:
        report.update("loading", 0, 0, "the program")
        from limbeck_server.core_engine import Pictures, run  # noqa: PLC0415 - imports torch

        pictures = Pictures(contact_sheet, turntable)
        with closing(run(job, output, pictures=pictures, started_at=started_at)) as events:
            for event in events:
                match event:
                    case EngineProgress():
                        report.update(event.stage, event.step, event.steps, event.message)
                    case EngineWarning():
                        report.warn(event.code, event.message)
                    case EnginePreview():
                        pass
                    case EngineFinished():
                        return event.summary
    raise RuntimeError("the engine ended without a result")
