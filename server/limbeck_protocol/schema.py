# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The wire as JSON Schema (draft 2020-12), made from the dataclasses: python -m limbeck_protocol.schema > FILE.

For clients in other languages. docs/protocol.schema.json is this output, and a test keeps it so.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union

from limbeck_protocol import FEATURES, MAJOR, MINOR
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES
from limbeck_protocol.frames import DTYPES, BufferSpec, Header
from limbeck_protocol.job import JobSpec
from limbeck_protocol.limits import MAX_BUFFERS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BUFFERS = {
    "job.submit": {"spec": "|u1 [N]: a JobSpec in UTF-8 JSON"},
    "blob.put": {"data": "|u1 [N]"},
    "blob.chunk": {"data": "|u1 [N]"},
    "job.preview": {
        "vertices": "<f4 [V, 3]",
        "faces": "<u4 [F, 3]",
        "colors": "|u1 [V, 4]",
        "edges": "<u4 [E, 2]",
        "corner_edges": "<u4 [3 F]",
    },
}
"""What the frames after the header hold, by message type."""
SCALARS = {str: {"type": "string"}, bool: {"type": "boolean"}, int: {"type": "integer"}, float: {"type": "number"}}


def wire_schema() -> dict[str, Any]:
    """Return the schema of a header of any message type; ``$defs`` has one definition for each dataclass."""
    definitions: dict[str, Any] = {}
    header = _object(Header, definitions)
    header["properties"]["bufs"] |= {"maxItems": MAX_BUFFERS}
    del header["properties"]["body"]
    client, server = _messages(CLIENT_MESSAGES, definitions), _messages(SERVER_MESSAGES, definitions)
    _of(JobSpec, definitions)
    definitions[BufferSpec.__name__]["properties"]["d"] = {"enum": list(DTYPES)}
    return {
        "$schema": DIALECT,
        "title": f"The header of a message of Limbeck's wire, version {MAJOR}.{MINOR}",
        "x-features": sorted(FEATURES),
        "x-buffers": BUFFERS,
        "$defs": definitions | {"Header": header, "FromClient": {"oneOf": client}, "FromServer": {"oneOf": server}},
        "anyOf": [{"$ref": "#/$defs/FromClient"}, {"$ref": "#/$defs/FromServer"}],
    }


def _messages(table: Mapping[str, type], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "allOf": [{"$ref": "#/$defs/Header"}],
            "properties": {"t": {"const": name}, "body": _of(cls, definitions)},
            "required": ["t"],
        }
        for name, cls in table.items()
    ]


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type, adding the dataclasses that it holds to the definitions."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # it may hold itself
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin in (Union, types.UnionType):
        rest = [_of(one, definitions) for one in arguments if one is not types.NoneType]
        is_optional = types.NoneType in arguments
        return {"anyOf": [*rest, {"type": "null"}]} if is_optional else {"anyOf": rest}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return _array(arguments, definitions)
    if kind is Any:
        return {}
    return {"type": "object"} if dict in (kind, origin) else dict(SCALARS[kind])


def _array(members: tuple[Any, ...], definitions: dict[str, Any]) -> dict[str, Any]:
    if len(members) == 2 and members[1] is Ellipsis:
        return {"type": "array", "items": _of(members[0], definitions)}
    items = [_of(member, definitions) for member in members]
    return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    fields = [field for field in dataclasses.fields(cls) if not field.metadata.get("local")]
    missing = dataclasses.MISSING
    required = [f.name for f in fields if f.default is missing and f.default_factory is missing]
    description = (cls.__doc__ or "").partition("\n")[0]
    properties = {field.name: _of(hints[field.name], definitions) for field in fields}
    return {"description": description, "type": "object", "properties": properties, "required": required}


def main() -> None:
    """Print the schema."""
    sys.stdout.write(json.dumps(wire_schema(), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
