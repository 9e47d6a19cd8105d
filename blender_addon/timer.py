# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's timer and handlers around the one session. No thread and no resident modal operator: both harm Blender."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from . import asking, blender_scene
from .job import Problem
from .link import Link, Settings
from .preferences import addon_preferences
from .questions import Questions
from .server_process import ServerProcess
from .session import Session
from .texts import translated

FIRST_INTERVAL_S = 0.1
AFTER_BUG_S = 2.0
_sessions: list[Session] = []  # one while registered: Blender gives operators and panels no other way to it


def session() -> Session:
    """Return the session of this Blender."""
    return _sessions[0]


def wake() -> None:
    """Pump soon: a button has been pressed."""
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    bpy.app.timers.register(_tick, first_interval=0.0, persistent=True)


def user_folder(name: str) -> Path:
    """Return a folder of this extension's that survives its updates."""
    return Path(bpy.utils.extension_path_user(__package__, path=name, create=True))


def register() -> None:
    process = ServerProcess(user_folder("logs") / "server.log", pid_file=user_folder("server") / "process.json")
    link = Link(_settings, process, questions=Questions(asking.question))
    _sessions.append(Session(blender_scene.BlenderScene(), link, user_folder("assets")))
    bpy.app.timers.register(_tick, first_interval=FIRST_INTERVAL_S, persistent=True)
    bpy.app.handlers.load_pre.append(_before_load)
    bpy.app.handlers.load_post.append(_after_load)
    bpy.app.handlers.load_post_fail.append(_after_load)


def unregister() -> None:
    bpy.app.handlers.load_post_fail.remove(_after_load)
    bpy.app.handlers.load_post.remove(_after_load)
    bpy.app.handlers.load_pre.remove(_before_load)
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    _sessions.pop().close()


def _tick() -> float:
    """Pump. Blender ends a timer that raises, and with it every live mesh; a bug is shown and the next tick comes."""
    try:
        return session().pump()
    except Exception as error:  # noqa: BLE001 - the boundary to Blender
        traceback.print_exc()
        message = translated("Limbeck has a bug: {kind}").format(kind=type(error).__name__)
        session().problem = Problem(message, translated("Copy the diagnostics and report it; jobs go on"))
        return AFTER_BUG_S


@persistent
def _before_load(*_: Any) -> None:
    session().forget()


@persistent
def _after_load(*_: Any) -> None:
    session().adopt()


def _settings() -> Settings:
    preferences = addon_preferences(bpy.context)
    return Settings(
        connection_file=bpy.path.abspath(preferences.connection_file),
        server_command=bpy.path.abspath(preferences.server_command),
        start_server=preferences.start_server,
        online_access=bpy.app.online_access,
        live_triangles=preferences.live_triangles,
        live_rate_hz=preferences.live_rate_hz,
        is_online_access_locked=bpy.app.online_access_override,
    )
