# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mark an object as an asset of the Asset Browser, and write it into a library."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bpy

from . import asset_library
from .provenance import Provenance

MAX_TAGS = 8
LEAST_LETTERS = 3
ORDINARY = {"the", "and", "with", "for", "from"}


def mark(thing: Any, made: Provenance, preferences: Any) -> None:
    """Mark an object as an asset, with preview, description, tags, author and licence.

    Raises:
        OSError: if the catalog of the preferences' library cannot be written; the object is marked all the same.
    """
    thing.asset_mark()
    about = thing.asset_data
    about.description = made.prompt
    about.author = preferences.asset_author
    about.license = preferences.asset_license or made.licence
    for tag in tags_of(made):
        about.tags.new(tag, skip_if_exists=True)
    thing.asset_generate_preview()
    library = library_of(preferences)
    if library is not None:
        about.catalog_id = asset_library.catalog_id(library, preferences.asset_catalog)


def save(thing: Any, preferences: Any) -> Path:
    """Write an object and all that it needs into the preferences' library, and return the new file.

    Raises:
        OSError: if there is no such folder or it cannot be written.
    """
    library = library_of(preferences)
    if library is None:
        raise NotADirectoryError(20, "the asset library of the preferences is no folder")
    file = asset_library.new_file(library, thing.name)
    try:
        bpy.data.libraries.write(str(file), {thing}, compress=True)
    except RuntimeError as error:
        raise OSError(0, str(error).strip()) from error
    return file


def library_of(preferences: Any) -> Path | None:
    """Return the folder of the library that the preferences name, or None."""
    folder = Path(bpy.path.abspath(preferences.asset_library)) if preferences.asset_library else None
    return folder if folder is not None and folder.is_dir() else None


def tags_of(made: Provenance) -> list[str]:
    """Return what to find an asset by: Limbeck, its recipe, and the longer words of its prompt."""
    words = [word.lower() for word in re.findall(r"\w+", made.prompt) if len(word) >= LEAST_LETTERS]
    wanted = ["Limbeck", made.recipe, *(word for word in words if word not in ORDINARY)]
    return list(dict.fromkeys(filter(None, wanted)))[:MAX_TAGS]
