# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate: what the panels ask for becomes a job."""

import random
from typing import Any

import bpy

from .. import description, elbow_room, from_scene, provenance, remembered, timer, wire
from ..job import Problem
from ..texts import translated
from .refuse import refuse


class LIMBECK_OT_generate(bpy.types.Operator):
    bl_idname = "limbeck.generate"
    bl_label = "Generate"
    bl_description = "Turn the prompt into a mesh"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = why_not_generate(context)
        if reason:
            cls.poll_message_set(translated(reason))
        return not reason

    def execute(self, context: Any) -> set[str]:
        request, session = context.scene.limbeck, timer.session()
        seed = request.seed
        if request.random_seed:
            request.seed = new_seed()
        try:
            spec = description.spec_of(context.scene)
            placement = description.placement_of(context.scene)
        except description.DescriptionError as error:
            request.seed = seed  # nothing was sent
            session.problem = Problem(error.message, error.remedy)
            return refuse(self, error)
        if placement.stands:
            placement = elbow_room.beside_others(placement, context.scene, session.jobs)
        remembered.note(request)
        session.submit(spec, placement)
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_new_seed(bpy.types.Operator):
    bl_idname = "limbeck.new_seed"
    bl_label = "New Seed"
    bl_description = "Take another seed, for another variation of the same prompt"
    bl_options = {"REGISTER", "UNDO"}  # noqa: RUF012

    def execute(self, context: Any) -> set[str]:
        context.scene.limbeck.seed = new_seed()
        return {"FINISHED"}


def new_seed() -> int:
    """Return a seed that nobody has chosen."""
    return random.SystemRandom().randint(0, provenance.MAX_SEED)


def why_not_generate(context: Any) -> str:
    """Return why nothing can be generated now, or ""."""
    if wire.PROBLEM:
        return wire.PROBLEM
    if context.scene is None:
        return "There is no scene"
    if not context.scene.limbeck.prompt.strip():
        return "Write a prompt first"
    if reason := from_scene.why_not_start(context):
        return reason
    return timer.session().link.why_no_server


CLASSES = (LIMBECK_OT_generate, LIMBECK_OT_new_seed)
