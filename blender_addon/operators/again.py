# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""More of the active asset: the same again, or a variation, from what the asset itself was made from."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import bpy

from .. import description, from_scene, placement, provenance, remembered, timer, whereabouts, wire
from ..from_scene import Start
from ..placement import Placement
from ..provenance import Provenance
from ..texts import translated
from .generate import new_seed
from .made import is_asset
from .refuse import refuse

if TYPE_CHECKING:
    from limbeck_protocol.job import JobSpec

GAP = 1.25
"""Variations stand this many widths of the asset apart."""


class LIMBECK_OT_regenerate(bpy.types.Operator):
    bl_idname = "limbeck.regenerate"
    bl_label = "Regenerate"
    bl_description = (
        "Make this asset again from its own prompt, seed and settings, and the mesh that it started from, beside it. "
        "A textured mesh is textured again"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _can_generate(cls, context)

    def execute(self, context: Any) -> set[str]:
        return _generate_like(self, context, {})


class LIMBECK_OT_vary(bpy.types.Operator):
    bl_idname = "limbeck.vary"
    bl_label = "Vary"
    bl_description = (
        "Make another one from this asset's prompt, settings and starting mesh with a new seed, beside it. "
        "A textured mesh is textured again"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _can_generate(cls, context)

    def execute(self, context: Any) -> set[str]:
        return _generate_like(self, context, {"seed": new_seed()})


def _generate_like(operator: Any, context: Any, changes: dict[str, Any]) -> set[str]:
    """Generate from the asset's own settings, in which some are changed; those of the panel stay as they are."""
    made = provenance.from_properties(context.object) or Provenance("")
    try:
        start = _start_of(operator, context.object, made)
        spec = _spec_of(context, replace(made, **changes), start)
    except (description.DescriptionError, wire.errors.JobError) as error:
        return refuse(operator, error)
    if made.references > len(spec.references):
        operator.report({"WARNING"}, translated("It was made with pictures, which are not kept: choose them again"))
    remembered.note(context.scene.limbeck, {**made.settings(), **changes})
    timer.session().submit(spec, start.placement)
    timer.wake()
    return {"FINISHED"}


def _start_of(operator: Any, asset: Any, made: Provenance) -> Start:
    """Return what an asset started from, as it is now, and where another one goes."""
    if made.started_as == "texture":
        return from_scene.painting_of(asset)
    start = Start(beside(asset))
    if made.started_as != "mesh":
        return start
    mesh = from_scene.hidden_blockout_of(made.started_from)
    if mesh is None:
        text = translated("It was made from {name}, which is gone: it forms out of nothing")
        operator.report({"WARNING"}, text.format(name=made.started_from))
    return replace(start, mesh=mesh)


def _spec_of(context: Any, made: Provenance, start: Start) -> "JobSpec":
    """Return the job; cameras of pictures see it where the asset stands now."""
    place = Placement(placement.rows(whereabouts.frame_of(context.object)))
    pictures = description.pictures_of(context.scene, place) if made.references else ()
    spec = provenance.spec_of(made, pictures)
    return replace(spec, init=description.init_of(start), lock_geometry=start.is_painted)


def beside(asset: Any) -> Placement:
    """Return a placement to the right of an asset, turned and scaled as it is."""
    matrix = whereabouts.frame_of(asset)
    matrix.translation.x += GAP * max(asset.dimensions.x, asset.dimensions.y, 1e-3)
    return Placement(placement.rows(matrix))


def _can_generate(operator: Any, context: Any) -> bool:
    if not is_asset(operator, context):
        return False
    reason = wire.PROBLEM or timer.session().link.why_no_server
    if reason:
        operator.poll_message_set(translated(reason))
    return not reason


CLASSES = (LIMBECK_OT_regenerate, LIMBECK_OT_vary)
