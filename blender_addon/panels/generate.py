# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel that asks for something, and tells how it goes."""

from typing import Any

import bpy

from .. import asking, quality, recipes, timer
from ..job import FollowedJob
from ..operators.generate import why_not_generate
from ..operators.viewport import wanted_color_type
from ..session import Session
from .layout import SidebarPanel, draw_wrapped
from .problem import draw_problem
from .server import draw_status


class LIMBECK_PT_main(SidebarPanel, bpy.types.Panel):
    bl_label = "Limbeck"
    bl_idname = "LIMBECK_PT_main"

    def draw_header_preset(self, context: Any) -> None:
        row = self.layout.row(align=True)
        row.menu("LIMBECK_MT_history", text="", icon="TIME")
        row.menu("LIMBECK_MT_presets", text="", icon="PRESET")

    def draw(self, context: Any) -> None:
        session, layout = timer.session(), self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        draw_status(layout, session)
        draw_request(layout, context.scene.limbeck)
        draw_estimate(layout, context.scene.limbeck, session)
        draw_generate(layout, context)
        if session.job is not None:
            draw_job(layout, session.job)
        draw_show_colors(layout, context)
        draw_outcome(layout, session)


class LIMBECK_PT_advanced(SidebarPanel, bpy.types.Panel):
    bl_label = "Advanced"
    bl_idname = "LIMBECK_PT_advanced"
    bl_parent_id = "LIMBECK_PT_main"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender wants a plain set)
    bl_order = 7

    def draw(self, context: Any) -> None:
        layout, request = self.layout, context.scene.limbeck
        layout.use_property_split = True
        layout.use_property_decorate = False
        for name in ("steps", "faces", "texture_size", "prior", "overrides"):
            layout.prop(request, name)


def draw_request(layout: Any, request: Any) -> None:
    """Draw what the artist asks for."""
    column = layout.column()
    column.prop(request, "prompt", text="", placeholder="What to make")
    column.prop(request, "negative_prompt", text="", placeholder="What to avoid")
    column.prop(request, "image")
    column.prop(request, "recipe")
    draw_wrapped(column, recipes.summary_of(request.recipe))
    row = column.row(align=True)
    row.prop(request, "seed")
    row.operator("limbeck.new_seed", text="", icon="FILE_REFRESH")
    column.prop(request, "random_seed")
    choices = layout.row(align=True)
    choices.use_property_split = False  # three words need the width
    choices.prop(request, "quality", expand=True)


def draw_estimate(layout: Any, request: Any, session: Session) -> None:
    """Draw what the quality means and what that takes. Asks nobody: the timer does."""
    text = quality.settings_text(asking.settings(request), recipes.all_steps_of(request.recipe))
    draw_wrapped(layout, text)
    draw_wrapped(layout, session.link.questions.estimate_text, icon="TIME")


def draw_generate(layout: Any, context: Any) -> None:
    row = layout.row()
    row.scale_y = 1.4
    row.operator("limbeck.generate", icon="PLAY")
    draw_wrapped(layout, why_not_generate(context), icon="INFO")


def draw_job(layout: Any, job: FollowedJob) -> None:
    """Draw the bar and the button that stops it."""
    layout.progress(factor=job.progress, text=job.progress_text, type="BAR")
    layout.operator("limbeck.cancel", icon="X")


def draw_show_colors(layout: Any, context: Any) -> None:
    """Offer to show the colours where a mesh of ours is looked at and Solid shading hides them."""
    shading = getattr(context.space_data, "shading", None)
    if shading is not None and shading.type == "SOLID" and wanted_color_type(context) not in ("", shading.color_type):
        layout.operator("limbeck.show_colors", icon="COLOR")


def draw_outcome(layout: Any, session: Session) -> None:
    """Draw what went wrong last, with its remedy and its fix, or what is worth knowing."""
    draw_problem(layout, session.problem)
    draw_wrapped(layout, session.note, icon="INFO")


CLASSES = (LIMBECK_PT_main, LIMBECK_PT_advanced)
