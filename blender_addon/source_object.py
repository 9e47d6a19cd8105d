# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The object that a job was made from. Found by its name each time: undo and file loads break references.

While it is hidden it bears the ids of the jobs that it is hidden for: it may be renamed meanwhile, two jobs may be
made from it, and a file may lose the live mesh that knows its job.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import bpy

HIDDEN_FOR = "limbeck_hidden_for"
"""Custom property of an object that is hidden: ids of jobs, with spaces between."""
WAS_CHOSEN = "limbeck_was_chosen"
"""Custom property of an object that was selected when it was hidden, which deselects it: whether it was active too."""
LIVE_MESH = "limbeck_job"
"""Custom property of live meshes, which go when the object comes back."""


def find(full_name: str, job_id: str = "") -> Any | None:
    """Return the object that is hidden for a job, else that of the full name; None where it is in no scene any more.

    The full name tells a linked object from a local one.
    """
    if not full_name:
        return None
    marked = (thing for thing in bpy.data.objects if job_id and job_id in _jobs_of(thing))
    named = (thing for thing in bpy.data.objects if thing.name_full == full_name)
    thing = next(marked, None) or next(named, None)
    return thing if thing is not None and thing.users_scene else None


def hide_for(full_name: str, job_id: str) -> None:
    """Hide an object while a job's live mesh stands in its place, where it is there and may be hidden."""
    thing = find(full_name, job_id)
    if thing is None:
        return
    layer = bpy.context.view_layer
    was_selected, was_active = thing in layer.objects.selected.values(), thing == layer.objects.active
    set_hidden(thing, True)
    if thing.library is None and thing.override_library is None and job_id not in _jobs_of(thing):
        if was_selected:
            thing[WAS_CHOSEN] = was_active
        thing[HIDDEN_FOR] = " ".join((*_jobs_of(thing), job_id))


def show_for(full_name: str, job_id: str) -> None:
    """Show an object again that was hidden for a job, unless it is hidden for another one too."""
    thing = find(full_name, job_id)
    if thing is not None:
        _keep_hidden_for(thing, [other for other in _jobs_of(thing) if other != job_id])


def show_forgotten(known: Collection[str]) -> None:
    """Show the objects that are hidden for jobs that nobody knows any more."""
    for thing in [thing for thing in bpy.data.objects if _jobs_of(thing)]:
        remaining = [job_id for job_id in _jobs_of(thing) if job_id in known]
        if len(remaining) < len(_jobs_of(thing)):
            _keep_hidden_for(thing, remaining)


def set_hidden(thing: Any, is_hidden: bool) -> None:
    """Hide an object in the current view layer, or show it in all; renders are not touched."""
    current = [bpy.context.view_layer] if is_hidden else [layer for it in bpy.data.scenes for layer in it.view_layers]
    for layer in current:
        if thing in layer.objects.values():
            thing.hide_set(is_hidden, view_layer=layer)


@contextmanager
def revealed(thing: Any) -> Iterator[None]:
    """Show an object in the current view layer for a moment: Blender evaluates no hidden one."""
    layer = bpy.context.view_layer
    is_here, is_off = thing in layer.objects.values(), thing.hide_viewport
    is_hidden = is_here and thing.hide_get(view_layer=layer)
    thing.hide_viewport = False
    try:
        if is_here:
            thing.hide_set(False, view_layer=layer)
        yield
    finally:
        if is_here:
            thing.hide_set(is_hidden, view_layer=layer)
        thing.hide_viewport = is_off


def is_writable(thing: Any) -> bool:
    """Return whether an object and its data belong to this file, so that they may be changed for good."""
    return not any(it.library or it.override_library for it in (thing, thing.data) if it is not None)


def _jobs_of(thing: Any) -> tuple[str, ...]:
    jobs = thing.get(HIDDEN_FOR) if thing.library is None else None
    return tuple(jobs.split()) if isinstance(jobs, str) else ()


def _keep_hidden_for(thing: Any, jobs: list[str]) -> None:
    if jobs:
        thing[HIDDEN_FOR] = " ".join(jobs)
        return
    if HIDDEN_FOR in thing and thing.library is None:
        del thing[HIDDEN_FOR]
    set_hidden(thing, False)
    if WAS_CHOSEN in thing and thing.library is None:
        _choose_again(thing, as_active=bool(thing[WAS_CHOSEN]))
        del thing[WAS_CHOSEN]


def _choose_again(thing: Any, *, as_active: bool) -> None:
    """Select an object as it was before it was hidden, unless the artist has selected another one since."""
    layer = bpy.context.view_layer
    others = [other for other in layer.objects.selected if other != thing and LIVE_MESH not in other]
    if others or thing not in layer.objects.values():
        return
    thing.select_set(True)
    if as_active:
        layer.objects.active = thing
