# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Frozen dataclasses to plain JSON values and back, strictly typed.

Unknown fields are ignored, so that a newer peer may add some; a wrong type or a missing field is an error.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union

from limbeck_protocol.errors import ProtocolError

MAX_INT = 2**63 - 1
MAX_FLOAT = 1e300


def to_plain(value: Any) -> Any:
    """Return dataclasses, tuples and scalars as JSON values; fields that are None or marked local are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [f.name for f in dataclasses.fields(value) if not f.metadata.get("local")]
        return {name: to_plain(getattr(value, name)) for name in fields if getattr(value, name) is not None}
    if isinstance(value, dict):
        return {name: to_plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    return value


def from_plain(expected: Any, value: Any, field: str = "") -> Any:
    """Return a JSON value as the expected type: a dataclass, scalar, Literal, tuple, dict[str, Any], or one or None.

    Raises:
        ProtocolError: E_SCHEMA naming the field, or whatever the dataclass's own checks raise.
    """
    if dataclasses.is_dataclass(expected):
        return _dataclass_from_plain(expected, value, field)
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if origin in (Union, types.UnionType):
        return _union_from_plain(arguments, value, field)
    if origin is Literal:
        return value if value in arguments else _refuse(" or ".join(map(str, arguments)), value, field)
    if origin is tuple:
        return _tuple_from_plain(arguments, value, field)
    if expected is dict or origin is dict:
        return value if isinstance(value, dict) else _refuse("an object", value, field)
    return _scalar_from_plain(expected, value, field)


@functools.cache
def _field_types(cls: type) -> dict[str, tuple[Any, bool]]:
    """Return each wire field's (type, required)."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return {
        f.name: (hints[f.name], f.default is missing and f.default_factory is missing)
        for f in dataclasses.fields(cls)
        if not f.metadata.get("local")
    }


def _dataclass_from_plain(cls: Any, value: Any, field: str) -> Any:
    if not isinstance(value, dict):
        return _refuse("an object", value, field)
    arguments = {}
    for name, (expected, required) in _field_types(cls).items():
        path = f"{field}.{name}" if field else name
        if name in value:
            arguments[name] = from_plain(expected, value[name], path)
        elif required:
            raise schema_error(f"expected a field {path}, got none", path)
    return cls(**arguments)


def _union_from_plain(members: Sequence[Any], value: Any, field: str) -> Any:
    if value is None and types.NoneType in members:
        return None
    rest = [member for member in members if member is not types.NoneType]
    # the only union of two such members here is str | dict, told apart by the JSON type
    fitting = [member for member in rest if (member is str) == isinstance(value, str)]
    return from_plain(fitting[0] if len(rest) > 1 else rest[0], value, field)


def _tuple_from_plain(members: Sequence[Any], value: Any, field: str) -> Any:
    if not isinstance(value, list):
        return _refuse("a list", value, field)
    if len(members) == 2 and members[1] is Ellipsis:
        members = [members[0]] * len(value)
    if len(members) != len(value):
        return _refuse(f"a list of {len(members)}", value, field)
    return tuple(
        from_plain(member, item, f"{field}.{i}") for i, (member, item) in enumerate(zip(members, value, strict=True))
    )


def _scalar_from_plain(expected: Any, value: Any, field: str) -> Any:
    if expected is Any:
        return value
    if expected is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        is_finite = abs(value) < MAX_FLOAT  # false for NaN
        return float(value) if is_finite else _refuse("a finite number", value, field)
    if expected is int and isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) <= MAX_INT else _refuse("an integer of 63 bits", value, field)
    if expected in (str, bool) and isinstance(value, expected):
        return value
    return _refuse({str: "text", bool: "true or false", int: "an integer", float: "a number"}[expected], value, field)


def _refuse(expected: str, value: Any, field: str) -> typing.NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    raise schema_error(f"expected {expected} in {field or 'the message'}, got {shown}", field)


def schema_error(message: str, field: str) -> ProtocolError:
    """Return E_SCHEMA for a field."""
    return ProtocolError("E_SCHEMA", message, "correct the field, or update Limbeck on both sides", field=field)
