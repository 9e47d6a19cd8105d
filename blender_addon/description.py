# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels ask for, as the one description of a job that goes to the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import asking, from_scene, reference_images, scene_rig, wire
from .from_scene import Start
from .placement import Placement
from .refusal import DescriptionError

if TYPE_CHECKING:
    from limbeck_protocol.job import Init, JobSpec, Reference

__all__ = ["DescriptionError", "init_of", "pictures_of", "placement_of", "spec_of"]


def spec_of(scene: Any) -> JobSpec:
    """Return the job that a scene's panels describe.

    Raises:
        DescriptionError: if a field is wrong or a file cannot be read.
    """
    request = scene.limbeck
    start = from_scene.start_of(scene)
    chosen = asking.settings(request)
    try:
        return wire.job.JobSpec(
            prompt=request.prompt.strip(),
            negative_prompt=request.negative_prompt.strip(),
            recipe=request.recipe.strip() or wire.job.JobSpec.recipe,
            overrides=wire.overrides.parse_overrides(request.overrides),
            references=pictures_of(scene, start.placement),
            rig=scene_rig.rig_of(scene, start.placement),
            init=init_of(start),
            lock_geometry=start.is_painted,
            prior=request.prior.strip() or wire.job.JobSpec.prior,
            seed=request.seed,
            steps=chosen.steps,
            faces=chosen.faces,
            texture_size=chosen.texture_size,
        )
    except wire.errors.JobError as error:
        raise DescriptionError(error.message, error.remedy) from error


def placement_of(scene: Any) -> Placement:
    """Return where the asset of a scene's job goes, and what becomes of what it was made from.

    Raises:
        DescriptionError: if the panel Start From names an object that cannot be used.
    """
    return from_scene.start_of(scene).placement


def pictures_of(scene: Any, placement: Placement) -> tuple[Reference, ...]:
    """Return the pictures of a scene's panels, for an asset that stands there.

    Raises:
        DescriptionError: if one cannot be read, or its camera does not look there.
        JobError: if one is no picture.
    """
    try:
        front = _front(scene.limbeck.image)
    except OSError as error:
        raise DescriptionError(f"The image cannot be read: {error.strerror}", "choose another file") from error
    return front + reference_images.references_of(scene, placement)


def init_of(start: Start) -> Init:
    """Return what a job starts from, as it is sent."""
    if start.mesh is None:
        return wire.job.Init()
    return wire.job.Init("mesh", wire.job.blob_of(start.mesh.ply(), ".ply"))


def _front(image: str) -> tuple[Reference, ...]:
    """Return the picture that the panel names, if it names one."""
    if not image.strip():
        return ()
    path = Path(bpy.path.abspath(image.strip()))
    reference_images.require_picture(path)
    return (wire.job.Reference(wire.job.blob_of(path.read_bytes(), path.suffix)),)
