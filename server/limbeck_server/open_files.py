# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How many files and connections this process may have open."""

from __future__ import annotations

WANTED = 65_536


def allow_many_connections() -> int:
    """Raise the soft limit as far as need be and return it, or 0 where there is none.

    A thousand half-open connections must not keep the server from opening its own files; the usual limit is 1024.
    """
    try:
        import resource  # noqa: PLC0415 - Windows has none, and needs none
    except ImportError:
        return 0
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft
