# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel's fields between Blender's properties and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import bpy

from . import presets, quality
from .questions import EstimateQuestion

DEFAULT_RECIPE = "limbeck"


def settings(request: Any) -> quality.Settings:
    """Return steps, faces and texture size as a request means them."""
    return quality.settings_of(
        request.quality, steps=request.steps, faces=request.faces, texture_size=request.texture_size
    )


def question() -> EstimateQuestion | None:
    """Return what the panel of the current scene would cost something for; None where there is no scene."""
    request = getattr(bpy.context.scene, "limbeck", None)
    if request is None:
        return None
    chosen = settings(request)
    recipe = request.recipe.strip() or DEFAULT_RECIPE
    prior = request.prior.strip() or presets.DEFAULTS["prior"]
    return EstimateQuestion(recipe, prior, chosen.steps, chosen.faces, request.overrides.strip())


def fields_of(request: Any, names: Mapping[str, type]) -> dict[str, Any]:
    """Return fields of a request as plain values."""
    return {name: getattr(request, name) for name in names}


def fill_in(request: Any, fields: Mapping[str, Any]) -> None:
    """Set fields of a request; a value that it cannot take, as from an edited file, is left out."""
    for name, value in fields.items():
        try:
            setattr(request, name, value)
        except (TypeError, ValueError):  # an enum that has no such item, or another type
            continue
