# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel that asks for something, and tells how it goes."""

from typing import Any

import bpy

from .. import live_mesh, timer
from ..job import FollowedJob
from ..session import Session
from .layout import SidebarPanel, draw_wrapped
from .server import draw_status


class LIMBECK_PT_main(SidebarPanel, bpy.types.Panel):
    bl_label = "Limbeck"
    bl_idname = "LIMBECK_PT_main"

    def draw(self, context: Any) -> None:
        session, layout = timer.session(), self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_status(layout, session)
        draw_request(layout, context.scene.limbeck, is_enabled=True)
        draw_generate(layout)
        if session.job is not None:
            draw_job(layout, session.job)
        draw_show_colors(layout, context, session)
        draw_outcome(layout, session)


class LIMBECK_PT_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "LIMBECK_PT_advanced"
    bl_parent_id = "LIMBECK_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender wants a plain set)

    def draw(self, context: Any) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(context.scene.limbeck, "steps")
        layout.prop(context.scene.limbeck, "faces")
        layout.prop(context.scene.limbeck, "overrides")


def draw_request(layout: Any, request: Any, *, is_enabled: bool) -> None:
    """Draw what the artist asks for."""
    column = layout.column()
    column.enabled = is_enabled
    column.prop(request, "prompt", text="", placeholder="What to make")
    column.prop(request, "image")
    column.prop(request, "recipe")
    column.prop(request, "seed")


def draw_generate(layout: Any) -> None:
    row = layout.row()
    row.scale_y = 1.4
    row.operator("limbeck.generate", icon="PLAY")


def draw_job(layout: Any, job: FollowedJob) -> None:
    """Draw the bar and the button that stops it."""
    layout.progress(factor=job.progress, text=job.progress_text, type="BAR")
    layout.operator("limbeck.cancel", icon="X")


def draw_show_colors(layout: Any, context: Any, session: Session) -> None:
    """Offer vertex colours where a mesh of ours is looked at and Solid shading hides its colours."""
    shading = getattr(context.space_data, "shading", None)
    if shading is None or shading.type != "SOLID" or shading.color_type == "VERTEX":
        return
    is_forming = session.job is not None and live_mesh.find(session.job.id) is not None
    if is_forming or (context.object is not None and "prompt" in context.object):
        layout.operator("limbeck.show_colors", icon="COLOR")


def draw_outcome(layout: Any, session: Session) -> None:
    """Draw what went wrong last, with its remedy, or what is worth knowing."""
    if session.problem is not None:
        draw_wrapped(layout, session.problem.message, icon="ERROR")
        draw_wrapped(layout, session.problem.remedy)
    draw_wrapped(layout, session.note, icon="INFO")


CLASSES = (LIMBECK_PT_main, LIMBECK_PT_advanced)
