# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender ships no types: everything in here is Any."""

from typing import Any

def __getattr__(name: str) -> Any: ...
