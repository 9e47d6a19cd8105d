# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels ask for, as the one description of a job that goes to the server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import asking, wire

if TYPE_CHECKING:
    from limbeck_protocol.job import JobSpec, Reference


@dataclass(eq=False)  # an exception must be hashable, and take a traceback
class DescriptionError(Exception):
    """Something that the panels ask for cannot be sent, and what to do about it."""

    message: str
    remedy: str


def spec_of(scene: Any) -> JobSpec:
    """Return the job that a scene's panels describe.

    Raises:
        DescriptionError: if a field is wrong or a file cannot be read.
    """
    request = scene.limbeck
    chosen = asking.settings(request)
    try:
        return wire.job.JobSpec(
            prompt=request.prompt.strip(),
            negative_prompt=request.negative_prompt.strip(),
            recipe=request.recipe.strip() or wire.job.JobSpec.recipe,
            overrides=wire.overrides.parse_overrides(request.overrides),
            references=_references(request.image),
            prior=request.prior.strip() or wire.job.JobSpec.prior,
            seed=request.seed,
            steps=chosen.steps,
            faces=chosen.faces,
            texture_size=chosen.texture_size,
        )
    except wire.errors.JobError as error:
        raise DescriptionError(error.message, error.remedy) from error
    except OSError as error:
        raise DescriptionError(f"The image cannot be read: {error.strerror}", "choose another file") from error


def _references(image: str) -> tuple[Reference, ...]:
    """Return the picture that the panel names, if it names one."""
    if not image.strip():
        return ()
    path = Path(bpy.path.abspath(image.strip()))
    return (wire.job.Reference(wire.job.blob_of(path.read_bytes(), path.suffix)),)
