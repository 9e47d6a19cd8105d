# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An error with what to do about it, and the button that does it."""

from typing import Any

import bpy

from .. import fixes
from ..job import Problem
from .layout import draw_wrapped


def draw_problem(layout: Any, problem: Problem | None) -> None:
    """Draw an error as every panel shows one: what happened, the remedy, the fix."""
    if problem is None:
        return
    draw_wrapped(layout, problem.message, icon="ERROR")
    draw_wrapped(layout, fixes.remedy_for(problem))
    draw_fix(layout, fixes.operator_for(problem))


def draw_fix(layout: Any, operator: str) -> None:
    """Draw the button of a fix; a name that is no operator's, as of a newer add-on, draws nothing."""
    family, _, name = operator.partition(".")
    if name and hasattr(bpy.types, f"{family.upper()}_OT_{name}"):
        layout.operator(operator, text=fixes.LABELS.get(operator, ""))
