# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages that come in the extension's wheels, or why they cannot be imported.

A missing wheel must not keep the extension from registering: the panel says what is wrong instead.
"""

PROBLEM = ""
try:
    from limbeck_protocol import (
        client,
        connection,
        errors,
        events,
        ids,
        job,
        overrides,
        processes,
        rig,
        transforms,
    )
except ImportError as error:
    PROBLEM = f"{error}. Install the extension's zip for this Blender version and platform again"

__all__ = [
    "PROBLEM",
    "client",
    "connection",
    "errors",
    "events",
    "ids",
    "job",
    "overrides",
    "processes",
    "rig",
    "transforms",
]
