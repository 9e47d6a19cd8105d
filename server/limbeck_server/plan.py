# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job description as the core's objects: the one place where the two vocabularies meet. Imports torch."""

from __future__ import annotations

from dataclasses import replace

import torch

from limbeck.assets.export import TEXTURED_FORMATS
from limbeck.config import Recipe, override, recipe_from_plain
from limbeck.errors import LimbeckError
from limbeck.generate import GenerationSettings, with_steps
from limbeck.image_use import require_image
from limbeck.optimisation.initial import require_start
from limbeck.recipes import load_recipe
from limbeck.representations.shape import Shape, read_shape
from limbeck.rigs import CameraListRig, OrbitRig, Placement, Rig
from limbeck_protocol.job import JobSpec
from limbeck_protocol.rig import Camera, CameraRig
from limbeck_server.plan_references import plan_references


def plan(job: JobSpec) -> GenerationSettings:
    """Return the run that a job describes.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN, E_RECIPE_INVALID, E_SETTING_UNKNOWN, E_INIT, E_FORMAT, and for
            references E_IMAGE, E_IMAGE_EMPTY, E_IMAGE_BACKGROUND, E_IMAGE_CAMERA.
    """
    recipe = _plan_recipe(job)
    start = _plan_start(job)
    rig, placement = _plan_rig(job.rig, recipe.rig) if job.rig else (None, start.placement() if start else Placement())
    references = plan_references(job.references, placement)
    require_image(recipe, references)
    require_start(recipe, start)
    return GenerationSettings(
        prompt=job.prompt.strip(),
        negative_prompt=job.negative_prompt.strip(),
        recipe=recipe,
        rig=rig,
        placement=placement,
        prior=job.prior,
        seed=job.seed,
        faces=job.faces,
        texture_size=job.texture_size if job.format in TEXTURED_FORMATS else 0,
        device=job.device,
        references=references,
        start=None if start is None else start.moved_into(placement),
    )


def _plan_start(job: JobSpec) -> Shape | None:
    """Return the shape that the run starts from, in the artist's world."""
    if job.init.kind == "sphere" or job.init.blob is None:
        return None
    if job.init.blob.data is None:
        raise LimbeckError("E_BLOB_MISSING", "expected the content of the file to start from, got none", "upload it")
    return read_shape(job.init.kind, job.init.blob.data, job.init.blob.suffix)


def _plan_recipe(job: JobSpec) -> Recipe:
    recipe = load_recipe(job.recipe) if isinstance(job.recipe, str) else recipe_from_plain(job.recipe)
    recipe = override(recipe, job.overrides)
    if job.lock_geometry:
        asked = job.overrides.get("representation", "mesh")
        if asked != "mesh":
            message = f"expected representation=mesh for a locked geometry, got {asked}"
            raise LimbeckError("E_RECIPE_INVALID", message, "leave out --lock-geometry, or representation")
        unasked = {} if "refine" in job.overrides else {"refine": 0}
        recipe = override(recipe, {"representation": "mesh", **unasked})
    if job.format == "splats" and (recipe.representation != "gaussians" or recipe.refine):
        raise LimbeckError(
            "E_FORMAT",
            "expected representation=gaussians and refine=0 for --format splats, "
            f"got {recipe.representation} and {recipe.refine}",
            "choose another format, or set both",
        )
    return recipe if job.steps is None else with_steps(recipe, job.steps)


def _plan_rig(rig: CameraRig, recipes: OrbitRig) -> tuple[Rig, Placement]:
    placement = Placement(rig.centre, rig.radius)
    if rig.orbit is None:
        return _plan_cameras(rig.cameras, placement), placement
    ranges = {name: getattr(rig.orbit, name) for name in ("elevation_deg", "azimuth_deg", "distance", "fov_y_deg")}
    if ranges["distance"] is not None:
        ranges["distance"] = (ranges["distance"][0] / rig.radius, ranges["distance"][1] / rig.radius)
    return replace(recipes, **{name: bounds for name, bounds in ranges.items() if bounds is not None}), placement


def _plan_cameras(cameras: tuple[Camera, ...], placement: Placement) -> CameraListRig:
    c2w = torch.tensor([camera.c2w for camera in cameras], dtype=torch.float32)
    c2w[:, :3, 3] = (c2w[:, :3, 3] - torch.tensor(placement.centre)) / placement.radius
    half_tangents = torch.tensor([0.5 * camera.height / camera.K[1][1] for camera in cameras])
    return CameraListRig(
        c2w,
        torch.rad2deg(2 * torch.atan(half_tangents)),
        torch.tensor([camera.weight for camera in cameras]),
        torch.tensor([camera.jitter_deg for camera in cameras]),
    )
