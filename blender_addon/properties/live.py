# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The slider over a job's steps. It is kept nowhere: it reads and moves what the session looks at."""

from typing import Any

import bpy
from bpy.props import FloatProperty

from .. import timer


def _percent(_: Any) -> float:
    return 100.0 * timer.session().scrub.fraction


def _choose(_: Any, percent: float) -> None:
    timer.session().scrub.choose_at(percent / 100.0)
    timer.wake()


def register() -> None:
    bpy.types.WindowManager.limbeck_step = FloatProperty(
        name="Step",
        description="Look at the mesh that the job had at an earlier step. New meshes wait meanwhile",
        subtype="PERCENTAGE",
        precision=0,
        min=0.0,
        max=100.0,
        get=_percent,
        set=_choose,
        options={"SKIP_SAVE"},
    )


def unregister() -> None:
    del bpy.types.WindowManager.limbeck_step
