# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What clients of an earlier minor version are told instead of what they would not understand."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from limbeck_protocol.job import JobState

STATES_MINOR = 1
"""Since this minor version clients know all states."""
KNOWN_STATES: dict[JobState, JobState] = {"pausing": "running", "paused": "queued", "interrupted": "queued"}


def as_known(message: Any, minor: int) -> Any:
    """Return the message as a client of this minor version can read it."""
    if minor >= STATES_MINOR:
        return message
    changes: dict[str, Any] = {}
    for name in (field.name for field in fields(message)):
        value = getattr(message, name)
        if name == "state" and value in KNOWN_STATES:
            changes["state"] = KNOWN_STATES[value]
        elif name == "jobs":
            changes["jobs"] = tuple(as_known(line, minor) for line in value)
    return replace(message, **changes) if changes else message
