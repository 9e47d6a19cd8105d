# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck plan``: what ``limbeck generate`` would need, without running it or reading a weight."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from limbeck.recipes import require_known
from limbeck_server.commands.job_options import SHAP_E, job_from_options, with_job_options

if TYPE_CHECKING:
    from limbeck.planning.choose import Plan


@click.command()
@with_job_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def plan(as_json: bool, **options: Any) -> None:
    """Say what memory and time 'limbeck generate' would need here, and how it would be made to fit."""
    if options["init"].partition(":")[0] == SHAP_E:
        options["init"], options["lock_geometry"] = "sphere", False  # nobody draws a shape for a plan
    job = job_from_options(options, None)
    if isinstance(job.recipe, str):
        require_known(job.recipe)
    from limbeck.devices import choose_device  # noqa: PLC0415 - these import torch
    from limbeck.models import require_models  # noqa: PLC0415
    from limbeck.planning.machine import plan_run  # noqa: PLC0415
    from limbeck_server.plan import plan as settings_of  # noqa: PLC0415

    settings = settings_of(job)
    recipe, has_negative = settings.recipe, bool(settings.negative_prompt)
    require_models(recipe, settings.prior)
    device = choose_device(settings.device)
    found = plan_run(recipe, settings.prior, device, has_negative=has_negative, texture_size=settings.texture_size)
    named = {"recipe": recipe.name, "prior": settings.prior, "steps": recipe.all_steps}
    click.echo(json.dumps(named | found.as_object()) if as_json else told_plan(found, recipe.name, recipe.all_steps))


def told_plan(found: Plan, recipe: str, steps: int) -> str:
    """Return a plan in words."""
    from limbeck.planning.choose import told  # noqa: PLC0415 - imports torch

    needs, room = found.prediction, found.room
    memory = f"{told(needs.host_mb)} of memory ({told(room.host_mb)} free)"
    if room.device_mb is not None:
        memory = f"{told(needs.device_mb)} of GPU memory ({told(room.device_mb)} free), {memory}"
    lines = [f"{steps} steps of {recipe} on {found.device}: about {memory} and {told_time(needs.seconds)}, a guess"]
    return "\n".join([*lines, *(f"  {reason}" for reason in found.why)])


def told_time(seconds: float) -> str:
    """Return a guessed time, no more exact than it is."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
