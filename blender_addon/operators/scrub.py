# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at earlier steps of the selected job, and go on from one with other settings."""

# pyright: reportInvalidTypeForm=false
from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty

from .. import timer, wire
from ..actions import why_not
from ..scrub import Scrub
from ..texts import translated
from .refuse import refuse


def _can(cls: Any, reason: str) -> bool:
    """Say in the tooltip why an operator is off, if it is."""
    if reason:
        cls.poll_message_set(translated(reason))
    return not reason


class LIMBECK_OT_step_checkpoint(bpy.types.Operator):
    bl_idname = "limbeck.step_checkpoint"
    bl_label = "Other Step"
    bl_description = "Show the mesh of an earlier or later step. New meshes wait meanwhile"
    bl_options = {"INTERNAL"}  # noqa: RUF012 (Blender wants a plain set)

    places: IntProperty(name="Places", description="How many kept steps to go on, backwards if negative", default=-1)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return _can(cls, _why_not_scrub(timer.session().scrub))

    def execute(self, context: Any) -> set[str]:
        timer.session().scrub.move(self.places)
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_back_to_live(bpy.types.Operator):
    bl_idname = "limbeck.back_to_live"
    bl_label = "Back to Live"
    bl_description = "Show the newest mesh again"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = "The newest mesh is shown already" if timer.session().scrub.chosen is None else ""
        return _can(cls, reason)

    def execute(self, context: Any) -> set[str]:
        timer.session().scrub.choose(None)
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_fork(bpy.types.Operator):
    bl_idname = "limbeck.fork"
    bl_label = "Fork"
    bl_description = "Make a new job that goes on from the step that is shown, with another prompt, seed or settings"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    prompt: StringProperty(name="Prompt", description="What the new job makes")
    seed: IntProperty(name="Seed", description="Another seed gives another variation", min=0)
    steps: IntProperty(
        name="Steps", description="Steps of the new job, with those done. 0 leaves them as they are", min=0
    )
    overrides: StringProperty(
        name="Overrides", description="Settings of the recipe to change, as KEY=VALUE with spaces between"
    )

    @classmethod
    def poll(cls, context: Any) -> bool:
        session = timer.session()
        return _can(cls, why_not("fork", session.selected, is_ready=session.link.is_ready))

    def invoke(self, context: Any, event: Any) -> set[str]:
        job = timer.session().selected
        if job is None:
            return {"CANCELLED"}
        self.prompt, self.seed, self.steps = job.prompt, job.seed, job.asked_steps
        return context.window_manager.invoke_props_dialog(self, width=400)

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.label(text=_starting_point(), icon="TIME")
        for name in ("prompt", "seed", "steps", "overrides"):
            layout.prop(self, name)

    def execute(self, context: Any) -> set[str]:
        session = timer.session()
        try:
            changes = _changes(session.selected, self)
        except wire.errors.JobError as error:
            return refuse(self, error)
        session.fork(changes, session.scrub.chosen)
        timer.wake()
        return {"FINISHED"}


def _changes(job: Any, asked: Any) -> dict[str, Any]:
    """Return the fields of the description in which the new job differs.

    Raises:
        JobError: if the overrides are none.
    """
    changes: dict[str, Any] = {}
    overrides = wire.overrides.parse_overrides(asked.overrides)
    if asked.prompt.strip() and asked.prompt.strip() != job.prompt:
        changes["prompt"] = asked.prompt.strip()
    if asked.properties.is_property_set("seed") and asked.seed != job.seed:
        changes["seed"] = asked.seed
    if asked.steps and asked.steps != job.asked_steps:
        changes["steps"] = asked.steps
    return {**changes, "overrides": overrides} if overrides else changes


def _starting_point() -> str:
    step = timer.session().scrub.chosen
    if step is None:
        return translated("From the newest checkpoint")
    return translated("From step {step}").format(step=step)


def _why_not_scrub(scrub: Scrub) -> str:
    return "" if scrub.steps else "The server has kept no earlier step of this job yet"


CLASSES = (LIMBECK_OT_step_checkpoint, LIMBECK_OT_back_to_live, LIMBECK_OT_fork)
