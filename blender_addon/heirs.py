# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs made from others, as the panels show them until the server says more. Knows no bpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .job import FollowedJob
from .placement import beside


def heir_of(job: FollowedJob, key: str) -> FollowedJob:
    """Return a job like another one, in its place, that has been sent just now."""
    heir = FollowedJob(job.prompt, job.seed, job.recipe, job.placement, phase="submitted", key=key)
    return replace(heir, asked_steps=job.asked_steps, asked_faces=job.asked_faces)


def fork_of(job: FollowedJob, key: str, changes: Mapping[str, Any]) -> FollowedJob:
    """Return a job that goes on from another one with changes to its description, beside it."""
    return replace(
        heir_of(job, key),
        prompt=changes.get("prompt", job.prompt),
        seed=changes.get("seed", job.seed),
        asked_steps=changes.get("steps", job.asked_steps),
        placement=beside(job.placement),
    )
