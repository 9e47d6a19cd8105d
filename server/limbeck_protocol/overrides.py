# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Changes to a recipe's settings as people type them: ``variate=base``, on a command line and in the panel."""

from __future__ import annotations

import json
import math
import re
import shlex
from typing import Any

from limbeck_protocol.errors import JobError

REMEDY = "for example guidance_scale=10; 'limbeck recipes show NAME' prints every key"


def parse_override(text: str) -> tuple[str, Any]:
    """Split KEY=VALUE; the value is JSON if it parses as such, else text.

    Raises:
        JobError: E_SCHEMA without a key or an equals sign, or for a number that is not finite.
    """
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise JobError("E_SCHEMA", f"expected KEY=VALUE, got {text[:60]!r}", REMEDY, field="overrides")
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):  # no JSON, too many digits, too deep: then it is text
        parsed = value
    if not _is_finite(parsed):
        message = f"expected a finite number for {key[:60]}, got {value[:60]!r}"
        raise JobError("E_SCHEMA", message, REMEDY, field="overrides")
    return key, parsed


def _is_finite(value: Any) -> bool:
    """Say whether no number in a value is infinite or undefined; a text may hold a schedule's, such as 0:20,1:5."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    if isinstance(value, str):
        return all(map(_is_finite, map(_number, re.split("[,:]", value))))
    return not isinstance(value, float) or math.isfinite(value)


def _number(text: str) -> float:
    """Return the number that a text says, 0 where it says none."""
    try:
        return float(text)
    except ValueError:
        return 0.0


def parse_overrides(line: str) -> dict[str, Any]:
    """Read several of them, separated by spaces; quotes keep spaces in a value, and ``--set`` is skipped.

    Raises:
        JobError: E_SCHEMA.
    """
    try:
        words = shlex.split(line)
    except ValueError as error:
        message = f"expected KEY=VALUE separated by spaces, got an open quote: {error}"
        raise JobError("E_SCHEMA", message, REMEDY, field="overrides") from error
    return dict(parse_override(word) for word in words if word != "--set")
