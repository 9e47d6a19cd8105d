# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to the selected job. Each operator says in its tooltip why it cannot be used now."""

# pyright: reportInvalidTypeForm=false
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

import bpy
from bpy.props import StringProperty

from .. import placement, timer
from ..actions import Action, why_not
from ..job import FollowedJob
from ..session import Session
from ..texts import translated


class JobOperator:
    """An operator that does `act` to the selected job, unless `why_not` has a reason against the `action`."""

    action: ClassVar[Action]
    act: ClassVar[Callable[[Session], None]]
    bl_options = {"REGISTER"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        session = timer.session()
        reason = why_not(cls.action, session.selected, is_ready=session.link.is_ready)
        if reason:
            cls.poll_message_set(translated(reason))  # pyright: ignore[reportAttributeAccessIssue] (bpy.types.Operator's)
        return not reason

    def execute(self, context: Any) -> set[str]:
        type(self).act(timer.session())
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_cancel(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.cancel"
    bl_label = "Cancel"
    bl_description = (
        "Stop this job and remove its mesh; without an answer from the server the mesh stays. Other jobs go on"
    )
    action = "cancel"
    act = staticmethod(Session.cancel)


class LIMBECK_OT_finish(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.finish"
    bl_label = "Stop and Keep"
    bl_description = "Stop forming, and make the asset of the mesh as it is now"
    action = "finish"
    act = staticmethod(partial(Session.change, what="finish"))


class LIMBECK_OT_pause(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.pause"
    bl_label = "Pause"
    bl_description = "Let the job wait and give the GPU back, to Cycles for example. Nothing of it is lost"
    action = "pause"
    act = staticmethod(partial(Session.change, what="pause"))


class LIMBECK_OT_resume(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.resume"
    bl_label = "Resume"
    bl_description = "Let the paused job go on from where it was"
    action = "resume"
    act = staticmethod(partial(Session.change, what="resume"))


class LIMBECK_OT_move_job_first(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.move_job_first"
    bl_label = "Next in Line"
    bl_description = "Let this job be the next one that the server begins"
    action = "move"
    act = staticmethod(Session.move_first)


class LIMBECK_OT_retry(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.retry"
    bl_label = "Retry"
    bl_description = "Make a new job of this one, which goes on from its newest checkpoint if it has one"
    action = "retry"
    act = staticmethod(Session.retry)


class LIMBECK_OT_fetch_asset(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.fetch_asset"
    bl_label = "Get Asset"
    bl_description = "Download the asset from the server and import it, again if need be"
    action = "fetch"
    act = staticmethod(Session.fetch)


class LIMBECK_OT_toggle_live_mesh(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.toggle_live_mesh"
    bl_label = "Hide Live Mesh"
    bl_description = "Have a live mesh of this job in the scene or none. Without one its updates are not sent"
    action = "show_mesh"
    act = staticmethod(Session.toggle_mesh)


class LIMBECK_OT_dismiss_job(JobOperator, bpy.types.Operator):
    bl_idname = "limbeck.dismiss_job"
    bl_label = "Remove from List"
    bl_description = "Take this job off the list. Its mesh stays, and so does what the server keeps of it"
    action = "dismiss"
    act = staticmethod(Session.dismiss)


class LIMBECK_OT_select_job(bpy.types.Operator):
    bl_idname = "limbeck.select_job"
    bl_label = "Select Job"
    bl_description = "Show this job below the list, and let the buttons there act on it"
    bl_options = {"INTERNAL"}  # noqa: RUF012 (Blender wants a plain set)

    key: StringProperty(options={"HIDDEN"})

    def execute(self, context: Any) -> set[str]:
        timer.session().select(self.key)
        timer.wake()
        return {"FINISHED"}


class LIMBECK_OT_attach_job(bpy.types.Operator):
    bl_idname = "limbeck.attach_job"
    bl_label = "Attach"
    bl_description = "Follow this job of the server's at the 3D cursor, and import its asset when it is done"
    bl_options = {"INTERNAL"}  # noqa: RUF012 (Blender wants a plain set)

    job: StringProperty(options={"HIDDEN"})

    def execute(self, context: Any) -> set[str]:
        session = timer.session()
        line = next((line for line in session.other_jobs if line.job == self.job), None)
        if line is None:
            self.report({"WARNING"}, translated("The server does not list this job any more"))
            return {"CANCELLED"}
        place = replace(placement.at(tuple(context.scene.cursor.location)), stands=True)
        session.follow(FollowedJob(line.prompt, 0, line.recipe, place, id=line.job))
        timer.wake()
        return {"FINISHED"}


CLASSES = (
    LIMBECK_OT_cancel,
    LIMBECK_OT_finish,
    LIMBECK_OT_pause,
    LIMBECK_OT_resume,
    LIMBECK_OT_move_job_first,
    LIMBECK_OT_retry,
    LIMBECK_OT_fetch_asset,
    LIMBECK_OT_toggle_live_mesh,
    LIMBECK_OT_dismiss_job,
    LIMBECK_OT_select_job,
    LIMBECK_OT_attach_job,
)
