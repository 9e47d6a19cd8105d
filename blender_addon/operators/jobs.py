# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to a job that goes on."""

from typing import Any

import bpy

from .. import timer


class LIMBECK_OT_cancel(bpy.types.Operator):
    bl_idname = "limbeck.cancel"
    bl_label = "Cancel"
    bl_description = (
        "Stop this job and remove its mesh; without an answer from the server the mesh stays. Other jobs go on"
    )
    bl_options = {"REGISTER"}  # noqa: RUF012

    @classmethod
    def poll(cls, context: Any) -> bool:
        if timer.session().job is None:
            cls.poll_message_set("Nothing is being generated")
            return False
        return True

    def execute(self, context: Any) -> set[str]:
        timer.session().cancel()
        timer.wake()
        return {"FINISHED"}


CLASSES = (LIMBECK_OT_cancel,)
