# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What followed jobs share: the scene that their meshes go to, and whom they tell. Knows no bpy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .job import FollowedJob, Problem

if TYPE_CHECKING:
    from limbeck_protocol.mesh_codec import MeshData


class SceneError(Exception):
    """An effect that the scene refuses for good; the text says why."""


class Scene(Protocol):
    """Where effects go. Each of the first three returns False where it cannot be done now; SceneError says never."""

    def show_preview(self, job: FollowedJob, mesh: MeshData) -> bool: ...

    def import_asset(self, job: FollowedJob, file: Path) -> bool: ...

    def end_preview(self, job: FollowedJob, *, keep: bool) -> bool: ...

    def known_jobs(self) -> list[FollowedJob]: ...

    def redraw(self) -> None: ...


@dataclass(frozen=True)
class Surroundings:
    """What all followed jobs share.

    Attributes:
        report: takes what went wrong, for the panel to show.
        note: takes what is worth knowing.
        most_triangles: of a mesh that may be shown.
    """

    scene: Scene
    downloads: Path
    report: Callable[[Problem], None]
    note: Callable[[str], None]
    most_triangles: Callable[[], int]
    clock: Callable[[], float] = time.monotonic
