# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets and the history of prompts: what the panel's fields were, kept as JSON. Knows no bpy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .private_files import read_list, write_list

PRESET_FIELDS: dict[str, type] = {
    "recipe": str,
    "quality": str,
    "steps": int,
    "faces": int,
    "texture_size": str,
    "prior": str,
    "overrides": str,
    "negative_prompt": str,
}
HISTORY_FIELDS: dict[str, type] = {"prompt": str, "seed": int, **PRESET_FIELDS}
HISTORY_LENGTH = 30
DEFAULTS: dict[str, Any] = {
    "recipe": "limbeck",
    "quality": "NORMAL",
    "steps": 0,
    "faces": 0,
    "texture_size": "AUTO",
    "prior": "embedded",
    "overrides": "",
    "negative_prompt": "",
}
BUILT_IN: dict[str, dict[str, Any]] = {
    "Quick Look": {"quality": "DRAFT"},
    "Standard": {},
    "Fine": {"quality": "HIGH"},
    "One Front": {"recipe": "mvdream"},
    "Views That Agree": {"recipe": "jointdreamer"},
    "From One Picture": {"recipe": "magic123"},
    "Smooth": {"recipe": "gsd"},
}


class Presets:
    """The built-in presets, and the artist's own in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._own: dict[str, dict[str, Any]] = {}
        for entry in read_list(file):
            name, fields = entry.get("name"), entry.get("fields")
            if isinstance(name, str) and isinstance(fields, dict):
                self._own[name] = known_fields(fields, PRESET_FIELDS)

    @property
    def own(self) -> tuple[str, ...]:
        return tuple(self._own)

    def fields_of(self, name: str) -> dict[str, Any] | None:
        """Return every field of a preset, or None if there is no such preset."""
        fields = self._own.get(name, BUILT_IN.get(name))
        return None if fields is None else {**DEFAULTS, **fields}

    def save(self, name: str, fields: Mapping[str, Any]) -> None:
        """Keep fields under a name of the artist's.

        Raises:
            OSError: if the file cannot be written; the presets are as before then.
        """
        self._write({**self._own, name: known_fields(fields, PRESET_FIELDS)})

    def delete(self, name: str) -> None:
        """Forget one of the artist's own presets.

        Raises:
            OSError: if the file cannot be written; the presets are as before then.
        """
        self._write({other: fields for other, fields in self._own.items() if other != name})

    def _write(self, own: dict[str, dict[str, Any]]) -> None:
        write_list(self._file, [{"name": name, "fields": fields} for name, fields in own.items()])
        self._own = own


class History:
    """The last prompts with their settings, newest first: those of this computer, in one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.entries = tuple(known_fields(entry, HISTORY_FIELDS) for entry in read_list(file))[:HISTORY_LENGTH]

    def add(self, entry: Mapping[str, Any]) -> None:
        """Put an entry first.

        Raises:
            OSError: if the file cannot be written; the entry is there until Blender ends.
        """
        self.entries = with_entry(self.entries, entry)
        write_list(self._file, list(self.entries))


def with_entry(entries: tuple[dict[str, Any], ...], entry: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the entries with one more in front; an equal one that was there goes, and what is too old."""
    newest = known_fields(entry, HISTORY_FIELDS)
    return (newest, *(other for other in entries if other != newest))[:HISTORY_LENGTH]


def merged(*histories: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """Return the entries of several histories, the first's first, each once."""
    found: list[dict[str, Any]] = []
    for history in histories:
        found += [entry for entry in history if entry not in found]
    return tuple(found[:HISTORY_LENGTH])


def entries_from_text(text: str) -> tuple[dict[str, Any], ...]:
    """Return the history that a .blend keeps; none where the text is damaged."""
    try:
        plain = json.loads(text or "[]")
    except (ValueError, RecursionError):
        return ()
    entries = [entry for entry in plain if isinstance(entry, dict)] if isinstance(plain, list) else []
    return tuple(known_fields(entry, HISTORY_FIELDS) for entry in entries)[:HISTORY_LENGTH]


def text_from_entries(entries: tuple[dict[str, Any], ...]) -> str:
    """Return a history as a .blend keeps it."""
    return json.dumps(entries, ensure_ascii=False)


def known_fields(entry: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """Return the fields that have a right type: files may have been edited, or be a newer release's."""
    return {name: entry[name] for name, kind in fields.items() if type(entry.get(name)) is kind}
