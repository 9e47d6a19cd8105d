# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One check of one field of a job description."""

from __future__ import annotations

from typing import Any

from limbeck_protocol.errors import JobError


def require(is_met: bool, field: str, expected: str, got: Any) -> None:
    """Refuse a job description unless the condition is met.

    Raises:
        JobError: E_SCHEMA with the field, what was expected and what came.
    """
    if not is_met:
        shown = got if isinstance(got, str) else repr(got)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        raise JobError("E_SCHEMA", f"expected {expected}, got {shown}", f"correct {field}", field=field)
