# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draft, normal or high: what that means in steps, faces and texture. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass

from .recipes import DEFAULT_STEPS
from .texts import translated

QUALITIES = {"DRAFT": "Draft", "NORMAL": "Normal", "HIGH": "High"}
BY_QUALITY = "AUTO"
"""The value of a texture size that leaves it to the quality; for steps and faces that is 0."""


@dataclass(frozen=True)
class Settings:
    """What goes into the description of a job.

    Attributes:
        steps: of the optimisation; None is the recipe's own number.
        faces: the most triangles of the asset.
        texture_size: pixels along an edge; 0 keeps vertex colours only.
    """

    steps: int | None
    faces: int
    texture_size: int


_SETTINGS = {
    "DRAFT": Settings(DEFAULT_STEPS // 10, 5_000, 512),
    "NORMAL": Settings(None, 20_000, 1024),
    "HIGH": Settings(DEFAULT_STEPS * 2, 60_000, 2048),
}


def settings_of(quality: str, *, steps: int = 0, faces: int = 0, texture_size: str = BY_QUALITY) -> Settings:
    """Return what a quality means; a field of Advanced that is filled in goes before it."""
    by_quality = _SETTINGS.get(quality, _SETTINGS["NORMAL"])  # a newer release's file may have another
    texture = by_quality.texture_size if texture_size == BY_QUALITY else int(texture_size)
    return Settings(steps or by_quality.steps, faces or by_quality.faces, texture)


def settings_text(settings: Settings, own_steps: int) -> str:
    """Return what the artist gets, in a line."""
    texture = translated("{size} px texture").format(size=settings.texture_size)
    return translated("{steps} steps, up to {faces} faces, {texture}").format(
        steps=settings.steps or own_steps,
        faces=f"{settings.faces:,}",
        texture=texture if settings.texture_size else translated("vertex colours"),
    )


def lower(quality: str) -> str:
    """Return the next lower quality; the lowest stays."""
    names = list(QUALITIES)
    return names[max(names.index(quality) - 1, 0)]
