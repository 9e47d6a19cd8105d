# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender says when one of its operators fails, in a line. Knows no bpy."""


def reason_of(error: RuntimeError) -> str:
    """Return why an operator failed: its own message, or of a Python error inside it the last line of the traceback."""
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("Location: ")]
    is_traceback = any("Traceback (most recent call last)" in line for line in lines)
    text = lines[-1] if is_traceback else " ".join(lines)
    return text.strip().removeprefix("Error: ")
