# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather what the diagnostics say from Blender and the session."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bpy

from . import diagnostics, wire

if TYPE_CHECKING:
    from .session import Session


def facts(session: Session) -> diagnostics.Facts:
    """Return what the report says."""
    link = session.link
    server = link.client.server if link.client is not None else None
    shown = [session.problem, link.failure, *(getattr(job, "problem", None) for job in _jobs(session))]
    problems = [f"{problem.code or 'no code'}: {problem.message}" for problem in shown if problem is not None]
    return diagnostics.Facts(
        addon_version=_addon_version(),
        blender_version=f"{bpy.app.version_string} ({bpy.app.build_hash.decode()})",
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python_version=sys.version.split()[0],
        status=link.status.text,
        server_version=server.version if server is not None else "",
        address=link.address,
        devices=server.devices if server is not None else (),
        problems=tuple(dict.fromkeys(problems)),
        log_file=link.process.log_file,
    )


def secrets(session: Session) -> Iterator[str]:
    """Iterate over what must not be in the report: keys, prompts, the user's and the computer's name."""
    yield from session.link.secrets
    yield platform.node()
    for scene in bpy.data.scenes:
        request: Any = scene.limbeck
        yield from (request.prompt, request.negative_prompt, request.overrides)
    for job in _jobs(session):
        yield from (job.prompt, job.title)
    for thing in bpy.data.objects:
        yield from (str(thing.get("prompt", "")), str(thing.get("negative_prompt", "")))
    if bpy.data.filepath:
        yield Path(bpy.data.filepath).stem


def diagnostics_text(session: Session) -> str:
    """Return the report."""
    return diagnostics.report(facts(session), secrets(session))


def _jobs(session: Session) -> tuple[Any, ...]:
    jobs = getattr(session, "jobs", None)
    return tuple(jobs) if jobs is not None else tuple(filter(None, [session.job]))


def _addon_version() -> str:
    """Return the version that the manifest names."""
    manifest = Path(__file__).with_name("blender_manifest.toml").read_text("utf-8")
    lines = [line for line in manifest.splitlines() if line.startswith("version ")]
    version = lines[0].partition("=")[2].strip().strip('"') if lines else "unknown"
    return f"{version}, {wire.PROBLEM}" if wire.PROBLEM else version
