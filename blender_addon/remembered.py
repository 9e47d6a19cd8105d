# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""This computer's presets and history of prompts, and the history that a file keeps."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from . import asking, presets, timer

FIELDS = presets.HISTORY_FIELDS
"""What the history keeps of a request."""


def open_presets() -> presets.Presets:
    """Return the presets as they stand on the disk, so that two Blenders see each other's."""
    return presets.Presets(timer.user_folder("presets") / "presets.json")


def open_history() -> presets.History:
    """Return this computer's history."""
    return presets.History(timer.user_folder("presets") / "history.json")


def history_of(request: Any) -> tuple[dict[str, Any], ...]:
    """Return the file's history, then this computer's, each entry once."""
    return presets.merged(presets.entries_from_text(request.history), open_history().entries)


def note(request: Any, fields: Mapping[str, Any] | None = None) -> None:
    """Put the request, or other fields, first in both histories.

    A folder that cannot be written must not keep anyone from generating.
    """
    entry = asking.fields_of(request, FIELDS) if fields is None else fields
    request.history = presets.text_from_entries(presets.with_entry(presets.entries_from_text(request.history), entry))
    with contextlib.suppress(OSError):
        open_history().add(entry)
