# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate: what the panels ask for becomes a job."""

from typing import Any

import bpy

from .. import description, placement, timer, wire


class LIMBECK_OT_generate(bpy.types.Operator):
    bl_idname = "limbeck.generate"
    bl_label = "Generate"
    bl_description = "Turn the prompt into a mesh at the 3D cursor"
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        reason = _why_not_generate(context)
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def execute(self, context: Any) -> set[str]:
        try:
            spec = description.spec_of(context.scene)
        except description.DescriptionError as error:
            self.report({"ERROR"}, f"{error.message}; {error.remedy}")
            return {"CANCELLED"}
        timer.session().submit(spec, placement.at(tuple(context.scene.cursor.location)))
        timer.wake()
        return {"FINISHED"}


def _why_not_generate(context: Any) -> str:
    session = timer.session()
    if wire.PROBLEM:
        return wire.PROBLEM
    if not context.scene.limbeck.prompt.strip():
        return "Write a prompt first"
    return session.link.why_no_server


CLASSES = (LIMBECK_OT_generate,)
