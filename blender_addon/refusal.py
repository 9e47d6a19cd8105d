# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of everything that turns a scene into a job. Knows no bpy."""

from dataclasses import dataclass


@dataclass(eq=False)  # an exception must be hashable, and take a traceback
class DescriptionError(Exception):
    """Something that the panels ask for cannot be sent, and what to do about it."""

    message: str
    remedy: str
