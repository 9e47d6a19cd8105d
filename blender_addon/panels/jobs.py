# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of jobs, what can be done to the selected one, and what else the server has."""

from typing import TYPE_CHECKING, Any

import bpy

from .. import timer
from ..job import PHASES, FollowedJob, Phase
from ..scrub import Scrub
from ..session import Session
from ..texts import translated
from .layout import SidebarPanel
from .problem import draw_problem

if TYPE_CHECKING:
    from limbeck_protocol.messages import JobLine

ICONS: dict[Phase, str] = {
    "waiting": "UNLINKED",
    "queued": "SORTTIME",
    "running": "PLAY",
    "paused": "PAUSE",
    "done": "CHECKMARK",
    "undelivered": "IMPORT",
    "failed": "ERROR",
    "cancelled": "X",
}
OTHER_ICON = "SORTTIME"
_ENDS = {**PHASES, "succeeded": PHASES["done"]}


class LIMBECK_PT_jobs(SidebarPanel, bpy.types.Panel):
    bl_label = "Jobs"
    bl_idname = "LIMBECK_PT_jobs"
    bl_parent_id = "LIMBECK_PT_main"
    bl_order = 4

    def draw(self, context: Any) -> None:
        session = timer.session()
        if not session.jobs:
            self.layout.label(text="No jobs yet", icon="INFO")
        for job in session.jobs:
            draw_line(self.layout, job, is_selected=job == session.selected)
        if session.selected is not None:
            box = self.layout.box()
            draw_selected(box, session.selected)
            draw_steps(box, context, session.selected, session.scrub)


class LIMBECK_PT_other_jobs(SidebarPanel, bpy.types.Panel):
    bl_label = "Other Jobs of This Server"
    bl_idname = "LIMBECK_PT_other_jobs"
    bl_parent_id = "LIMBECK_PT_jobs"
    bl_options = {"DEFAULT_CLOSED"}  # noqa: RUF012 (Blender wants a plain set)

    @classmethod
    def poll(cls, context: Any) -> bool:
        return bool(timer.session().other_jobs)

    def draw(self, context: Any) -> None:
        draw_other_jobs(self.layout, timer.session())


def draw_line(layout: Any, job: FollowedJob, *, is_selected: bool) -> None:
    """Draw one job of the list: a button that selects it, and how far it is."""
    row = layout.row(align=True)
    split = row.split(factor=0.6, align=True)
    icon = ICONS.get(job.phase, OTHER_ICON)
    split.operator("limbeck.select_job", text=job.title, translate=False, icon=icon, depress=is_selected).key = job.key
    text = f"{job.progress:.0%}" if job.goes_on and job.steps else job.phase_text
    split.progress(factor=job.progress, text=text, type="BAR")


def draw_selected(layout: Any, job: FollowedJob) -> None:
    """Draw what the selected job does and what can be done to it."""
    if job.goes_on:
        layout.progress(factor=job.progress, text=job.progress_text, type="BAR")
    else:
        layout.label(text=job.progress_text, icon=ICONS.get(job.phase, OTHER_ICON))
    if job.eta_text:
        layout.label(text=job.eta_text[0].upper() + job.eta_text[1:], icon="TIME")
    if job.preview is not None and job.goes_on:
        layout.label(text=job.preview.text, icon="MESH_DATA")
    draw_problem(layout, job.problem)
    _draw_buttons(layout, job)


def draw_steps(layout: Any, context: Any, job: FollowedJob, scrub: Scrub) -> None:
    """Draw the slider over the steps that the server has kept, and what can be done with one of them."""
    if scrub.steps:
        layout.label(text=steps_text(job, scrub), translate=False)  # a slider ends with its number, whatever its text
        row = layout.row(align=True)
        row.operator("limbeck.step_checkpoint", text="", icon="TRIA_LEFT").places = -1
        row.prop(context.window_manager, "limbeck_step", text="", slider=True)
        row.operator("limbeck.step_checkpoint", text="", icon="TRIA_RIGHT").places = 1
    column = layout.column(align=True)
    column.operator("limbeck.back_to_live", icon="LOOP_FORWARDS")
    column.operator("limbeck.fork", icon="DUPLICATE")


def steps_text(job: FollowedJob, scrub: Scrub) -> str:
    """Return which step is looked at; the live mesh is at the job's own, or at the last one."""
    steps = max(job.steps, *scrub.steps)
    step = scrub.chosen or job.step or steps
    text = translated("Step {step} of {steps}, loading") if scrub.is_loading else translated("Step {step} of {steps}")
    return text.format(step=step, steps=steps)


def draw_other_jobs(layout: Any, session: Session) -> None:
    """Draw the server's newest jobs that are not followed here."""
    for line in session.other_jobs:
        _draw_other_job(layout, line)


def _draw_buttons(layout: Any, job: FollowedJob) -> None:
    column = layout.column(align=True)  # two in a row would be cut off in languages with longer words
    if job.goes_on:
        column.operator("limbeck.cancel", icon="X")
        column.operator("limbeck.finish", icon="CHECKMARK")
        if job.phase == "paused":
            column.operator("limbeck.resume", icon="PLAY")
        else:
            column.operator("limbeck.pause", icon="PAUSE")
        if job.phase == "queued":
            column.operator("limbeck.move_job_first", icon="TRIA_UP")
        text, icon = ("Hide Live Mesh", "HIDE_ON") if job.shows_mesh else ("Show Live Mesh", "HIDE_OFF")
        column.operator("limbeck.toggle_live_mesh", text=text, icon=icon)
    else:
        column.operator("limbeck.retry", icon="FILE_REFRESH")
        column.operator("limbeck.fetch_asset", icon="IMPORT")
        column.operator("limbeck.dismiss_job", icon="REMOVE")


def _draw_other_job(layout: Any, line: "JobLine") -> None:
    row = layout.row(align=True)
    row.label(text=line.prompt.strip()[:60] or "Limbeck", translate=False)
    has_ended = line.state in ("failed", "cancelled", "succeeded")
    text = translated(_ENDS.get(line.state, line.state.capitalize()))
    if line.steps and not has_ended:
        text = translated("Step {step} of {steps}").format(step=line.step, steps=line.steps)
    row.label(text=text, translate=False)
    text = "Import" if line.state == "succeeded" else "Attach"
    row.operator("limbeck.attach_job", text=text).job = line.job


CLASSES = (LIMBECK_PT_jobs, LIMBECK_PT_other_jobs)
