# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The commands about what a job was on its way, and what one would take: checkpoints, estimate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from limbeck.recipes import DEFAULT_RECIPE
from limbeck_protocol import blocking
from limbeck_protocol.client import Checkpoints, Client, Estimate, StepMesh
from limbeck_protocol.errors import JobError
from limbeck_protocol.lines import CheckpointLine
from limbeck_protocol.typed import to_plain
from limbeck_server.commands.downloading import TRANSFER_TIMEOUT_S
from limbeck_server.commands.job_options import read_overrides
from limbeck_server.commands.jobs import connected, job_argument, json_option, say

PLANNING_TIMEOUT_S = 60.0
"""The first plan waits for its process to import its libraries."""
PLANNING_INTERVAL_S = 0.5
MESH_SUFFIXES = (".glb", ".ply")


@click.command()
@job_argument
@json_option
def checkpoints(job: str, as_json: bool) -> None:
    """Show the steps of a job that 'limbeck fork --step' goes on from and 'limbeck get --step' downloads."""
    with connected() as client:
        client.checkpoints(job)
        found = blocking.expect(client, Checkpoints).checkpoints
    lines = [_line(checkpoint) for checkpoint in found]
    text = "\n".join(lines) or f"job {job} has no checkpoint yet"
    say({"job": job, "checkpoints": [to_plain(checkpoint) for checkpoint in found]}, as_json, text)


@click.command()
@click.option("--recipe", default=DEFAULT_RECIPE, show_default=True, help="A recipe's name.")
@click.option("--prior", default="embedded", show_default=True, help="embedded, or a folder in diffusers' layout.")
@click.option("--steps", type=int, help="Steps of optimisation. Default: the recipe's.")
@click.option("--faces", type=int, help="The mesh's budget. Default: any.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A changed setting; may be repeated.")
@click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", show_default=True)
@json_option
def estimate(
    recipe: str, prior: str, steps: int | None, faces: int | None, settings: tuple[str, ...], device: str, as_json: bool
) -> None:
    """Say what a job would take, by the finished jobs of this server and by its plan."""
    prior = str(Path(prior).resolve()) if Path(prior).is_dir() else prior
    with connected() as client:
        overrides = read_overrides(settings, normal_map=False)
        asked = {"prior": prior, "steps": steps, "device": device, "faces": faces, "overrides": overrides}
        found = _estimated(client, recipe, asked)
    say(estimate_object(found), as_json, _told(found, recipe))


def save_step_mesh(client: Client, job: str, step: int, output: Path) -> Path:
    """Download the mesh that a job had at a step to a GLB or PLY with vertex colours.

    Raises:
        JobError: E_FORMAT for another suffix.
        ProtocolError: E_NOT_FOUND if that step has no mesh.
        LimbeckError: E_OUTPUT_UNWRITABLE.
    """
    from limbeck.assets.gltf import write_glb  # noqa: PLC0415 - only this command needs them
    from limbeck.assets.mesh import Mesh  # noqa: PLC0415
    from limbeck.assets.ply import write_ply  # noqa: PLC0415

    suffix = output.suffix.lower()
    if suffix not in MESH_SUFFIXES:
        message = f"expected {' or '.join(MESH_SUFFIXES)} for the mesh of a step, got {output.suffix or 'no suffix'}"
        raise JobError("E_FORMAT", message, "name the output file so", field="output")
    client.fetch_mesh(job, step)
    found = blocking.expect(client, StepMesh, TRANSFER_TIMEOUT_S).mesh
    mesh = Mesh(found.vertices.astype("float32"), found.faces.astype("int32"), found.colors.astype("uint8"))
    if suffix == ".glb":
        write_glb(output, mesh, metadata={"job": job, "step": step})
    else:
        write_ply(output, mesh)
    return output


def estimate_object(found: Estimate) -> dict[str, Any]:
    """Return an estimate as the JSON object of docs/commands.md."""
    names = ("seconds", "memory_mb", "from_jobs", "device", "steps", "is_exact")
    planned = ("planned_seconds", "planned_memory_mb", "planned_profile", "planned_refusal")
    return {name: getattr(found, name) for name in (*names, *planned)}


def _line(checkpoint: CheckpointLine) -> str:
    seconds = "" if checkpoint.seconds is None else f"{checkpoint.seconds:9.1f} s"
    mesh = f"{checkpoint.vertices} vertices, {checkpoint.faces} faces" if checkpoint.has_mesh else "no mesh"
    return f"{checkpoint.step:>7}  attempt {checkpoint.attempt}  {seconds:>11}  {mesh}".rstrip()


def _estimated(client: Client, recipe: str, asked: dict[str, Any]) -> Estimate:
    """Ask until the plan is made, or for so long."""
    until = time.monotonic() + PLANNING_TIMEOUT_S
    while True:
        client.estimate(recipe, **asked)
        found = blocking.expect(client, Estimate)
        if not found.is_planning or time.monotonic() > until:
            return found
        time.sleep(PLANNING_INTERVAL_S)


def _told(found: Estimate, recipe: str) -> str:
    measured = _told_jobs(found, recipe)
    if found.planned_refusal is not None:
        return f"{measured}\nit could not be run: {found.planned_refusal}"
    if found.planned_seconds is None or found.planned_memory_mb is None:
        return measured
    plan = f"about {found.planned_seconds:.0f} s and {found.planned_memory_mb:.0f} MB by its plan, a guess"
    return f"{measured}\n{plan}: {found.planned_profile}"


def _told_jobs(found: Estimate, recipe: str) -> str:
    if found.seconds is None:
        return f"nothing is known yet: no job of {recipe} like that has finished on this server ({found.device})"
    jobs = "1 finished job" if found.from_jobs == 1 else f"{found.from_jobs} finished jobs"
    memory = "" if found.memory_mb is None else f" and {found.memory_mb:.0f} MB"
    other = "" if found.is_exact else " with other settings"
    return f"about {found.seconds:.0f} s{memory} for {found.steps} steps on {found.device}, by {jobs}{other}"
