# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The options that describe a job, the same for ``generate`` and ``submit``, and the job that they describe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from limbeck.recipes import DEFAULT_RECIPE
from limbeck_protocol.errors import JobError
from limbeck_protocol.job import Init, JobSpec, Reference, blob_of
from limbeck_protocol.limits import MAX_BLOB_BYTES
from limbeck_protocol.overrides import parse_override
from limbeck_protocol.rig import CameraRig
from limbeck_protocol.transforms import cameras_from_transforms

FORMATS = ("glb", "obj", "ply", "splats")
RECIPE_REMEDY = "see 'limbeck recipes show NAME --json'"
IMAGE_HELP = "A picture of the object, or JSON with pictures and their cameras (docs/commands.md); may be repeated."
SHAP_E = "shap-e"
POINT_SUFFIXES = (".xyz", ".npy", ".npz")
INIT_HELP = "sphere, a mesh (.glb .obj .ply .stl), points, or shap-e[:FOLDER]."
Command = TypeVar("Command", bound=Callable[..., Any])

JOB_PARAMETERS = (
    click.argument("prompt"),
    click.option("--format", "file_format", type=click.Choice(FORMATS), help="Default: by the suffix of -o, else glb."),
    click.option("--recipe", default=DEFAULT_RECIPE, show_default=True, help="A name, or a recipe's JSON file."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change one setting; may be repeated."),
    click.option("--negative", default="", help="What to steer away from."),
    click.option("--image", "images", multiple=True, metavar="REF", help=IMAGE_HELP),
    click.option("--cameras", type=click.Path(path_type=Path), help="A transforms.json with cameras to look from."),
    click.option(
        "--init",
        default="sphere",
        show_default=True,
        help="sphere, a mesh (.glb .obj .ply .stl), points, or shap-e[:FOLDER].",
    ),
    click.option("--lock-geometry", is_flag=True, help="Keep the init mesh's shape; paint it."),
    click.option("--prior", default="embedded", show_default=True, help="embedded, or a folder in diffusers' layout."),
    click.option("--seed", type=int, default=0, show_default=True),
    click.option("--steps", type=int, help="Steps of optimisation; every schedule follows. Default: the recipe's."),
    click.option("--faces", type=int, default=20_000, show_default=True, help="The mesh has at most this many faces."),
    click.option("--texture-size", type=int, default=1024, show_default=True, help="Pixels; 0: vertex colours only."),
    click.option("--normal-map", is_flag=True, help="Keep the shape that decimation takes away as a normal map."),
    click.option("--device", type=click.Choice(("auto", "cpu", "cuda", "mps")), default="auto", show_default=True),
)


def with_job_options(command: Command) -> Command:
    """Give a click command the options of JOB_PARAMETERS; ``job_from_options`` takes their values."""
    for parameter in reversed(JOB_PARAMETERS):
        command = parameter(command)
    return command


def job_from_options(options: Mapping[str, Any], output: Path | None) -> JobSpec:
    """Return the job that the options describe.

    Raises:
        JobError: E_SCHEMA and its kin for values, E_FILE for files that cannot be read.
        LimbeckError: E_IMAGE, E_IMAGE_EMPTY or E_IMAGE_BACKGROUND for pictures that cannot be used; E_MODEL_MISSING,
            E_MODEL_INCOMPLETE, E_DEVICE or E_EMPTY where Shap-E cannot make the first shape.
    """
    prior, init = options["prior"], options["init"]
    is_drawn = init.partition(":")[0] == SHAP_E
    job = JobSpec(
        prompt=options["prompt"],
        negative_prompt=options["negative"],
        recipe=read_recipe(options["recipe"]),
        overrides=read_overrides(options["settings"], normal_map=options["normal_map"]),
        references=read_references(options["images"]),
        rig=read_rig(options["cameras"]),
        init=Init() if is_drawn else read_init(init),
        lock_geometry=options["lock_geometry"] and not is_drawn,
        prior=str(Path(prior).resolve()) if Path(prior).is_dir() else prior,
        seed=options["seed"],
        steps=options["steps"],
        faces=options["faces"],
        texture_size=options["texture_size"],
        format=choose_format(options["file_format"], output),
        device=options["device"],
    )
    return replace(job, init=draw_init(job, init), lock_geometry=options["lock_geometry"]) if is_drawn else job


def read_overrides(texts: Sequence[str], *, normal_map: bool) -> dict[str, Any]:
    """Return the settings that ``--set`` and the options that stand for one name."""
    overrides = dict(parse_override(text) for text in texts)
    return overrides | {"texture.normal_map": True} if normal_map else overrides


def choose_format(given: str | None, output: Path | None) -> Any:
    """Return the format given, else the one that the output's suffix means, else GLB; JobSpec checks it.

    Raises:
        JobError: E_FORMAT if the suffix means another format than these, or than the one given.
    """
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    ending = "ply" if given == "splats" else given
    if given and suffix in FORMATS and suffix not in (given, ending):
        message = f"expected a file name that ends in .{ending} for format {given}, got {output}"
        raise JobError("E_FORMAT", message, "rename it, or choose another --format", field="format")
    if given is None and suffix and suffix not in FORMATS:
        message = f"expected a file name that ends in .glb, .obj or .ply, got {output}"
        raise JobError("E_FORMAT", message, "rename it, or choose with --format", field="format")
    return given or suffix or "glb"


def read_recipe(text: str) -> str | dict[str, Any]:
    """Return a recipe's name, or the object in a .json file."""
    if not text.endswith(".json"):
        return text
    try:
        recipe = json.loads(read_bytes(Path(text)))
    except (ValueError, RecursionError) as error:
        raise JobError(
            "E_SCHEMA", f"expected JSON in {text}, got {error}", "see 'limbeck recipes show NAME --json'"
        ) from error
    if not isinstance(recipe, dict):
        raise JobError("E_SCHEMA", f"expected a JSON object in {text}", RECIPE_REMEDY)
    return recipe


def read_rig(path: Path | None) -> CameraRig | None:
    """Return the cameras of a transforms.json, or None without one."""
    return None if path is None else CameraRig(cameras=cameras_from_transforms(read_bytes(path), str(path)))


def read_references(texts: Sequence[str]) -> tuple[Reference, ...]:
    """Return the references that all ``--image`` options name."""
    if not texts:
        return ()
    from limbeck_server.reference_files import references_from  # noqa: PLC0415 - imports scipy

    return tuple(reference for text in texts for reference in references_from(text))


def read_init(text: str) -> Init:
    """Return ``sphere``, or the content of a mesh or point file."""
    if text == "sphere":
        return Init()
    path = Path(text)
    content = read_bytes(path)
    if not content:
        raise JobError("E_INIT", f"expected a mesh or points in {path}, got an empty file", "export it again")
    is_cloud = path.suffix.lower() in POINT_SUFFIXES or (path.suffix.lower() == ".ply" and not _has_faces(content))
    return Init("points" if is_cloud else "mesh", blob_of(content, path.suffix))


def draw_init(job: JobSpec, text: str) -> Init:
    """Return the mesh that Shap-E makes of the job's prompt on this machine, as the content of a PLY file.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE, E_MODEL_ROLE, E_DEVICE, E_EMPTY.
    """
    from limbeck.assets.ply import encode_ply  # noqa: PLC0415 - these import torch
    from limbeck.devices import choose_device  # noqa: PLC0415
    from limbeck.representations.shap_e import ALIAS, shap_e_mesh  # noqa: PLC0415
    from limbeck_server.quiet import quiet_libraries  # noqa: PLC0415

    quiet_libraries()
    click.echo("Shap-E makes the first shape", err=True)
    source = text.partition(":")[2] or ALIAS
    mesh = shap_e_mesh(job.prompt.strip(), source, job.seed, choose_device(job.device))
    return Init("mesh", blob_of(encode_ply(mesh), ".ply"))


def _has_faces(ply: bytes) -> bool:
    """Return whether a PLY's header announces faces."""
    header = ply[:65_536].partition(b"end_header")[0]
    return re.search(rb"^element face [1-9]", header, re.MULTILINE) is not None


def read_bytes(path: Path) -> bytes:
    """Read a file that is not larger than a blob may be, or say in one line why not."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BLOB_BYTES + 1)
    except OSError as error:
        raise JobError(
            "E_FILE", f"could not read {path}: {error.strerror}", "check the path and its permissions"
        ) from error
    if len(content) > MAX_BLOB_BYTES:
        message = f"expected at most {MAX_BLOB_BYTES >> 20} MiB in {path}, got more"
        raise JobError("E_TOO_LARGE", message, "make the file smaller")
    return content
