# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""JSON as the wire takes it: UTF-8, finite numbers, bounded size and nesting. Of duplicate keys the last one counts."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from limbeck_protocol.errors import ProtocolError


def dump_json(value: Any, *, sort_keys: bool = False) -> bytes:
    """Return compact UTF-8 JSON.

    Raises:
        ProtocolError: E_SCHEMA for what JSON cannot say: NaN, infinity, unpaired surrogates, other types.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=sort_keys)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError("E_SCHEMA", f"expected JSON values, got {error}", "use finite numbers and text") from error


def load_json_object(encoded: bytes | bytearray | memoryview, max_bytes: int, max_depth: int) -> dict[str, Any]:
    """Read a JSON object that a peer sent.

    Raises:
        ProtocolError: E_HEADER_TOO_LARGE, or E_DECODE for anything else that is wrong with it.
    """
    if len(encoded) > max_bytes:
        message = f"expected at most {max_bytes} bytes of JSON, got {len(encoded)}"
        raise ProtocolError("E_HEADER_TOO_LARGE", message, "send less text in one message")
    try:
        text = str(encoded, "utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if "\\u" in text:  # only an escape can bring an unpaired surrogate, which no answer could quote
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ProtocolError("E_DECODE", f"expected a JSON object in UTF-8, got {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise ProtocolError("E_DECODE", f"expected a JSON object, got {type(value).__name__}")
    if is_deeper_than(value, max_depth):
        raise ProtocolError("E_DECODE", f"expected at most {max_depth} levels of nesting, got more")
    return value


def is_deeper_than(value: Any, levels: int) -> bool:
    """Say whether a JSON value nests deeper than so many levels; a scalar has none."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [child for item in layer for child in _children(item)]
        if not layer:
            return False
    return True


def _children(item: Any) -> list[Any]:
    if isinstance(item, dict):
        return list(item.values())
    return list(item) if isinstance(item, (list, tuple)) else []


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:20]}, which is out of range")
    return number
