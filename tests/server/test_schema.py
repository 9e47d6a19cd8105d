# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The machine-readable wire: in step with the dataclasses, and true of every message that they write or read."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.make_wire import FOLDER, split
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, TYPE_NAMES, read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Header, Packet
from limbeck_protocol.job import job_to_dict
from limbeck_protocol.messages import JobSnapshot
from limbeck_protocol.schema import BUFFERS, wire_schema
from server.strategies import jobs, of_type, values

FILE = Path(__file__).parents[2] / "docs" / "protocol.schema.json"
SCHEMA = wire_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
ALL = {**CLIENT_MESSAGES, **SERVER_MESSAGES}


def validator_of(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMA | {"anyOf": [{"$ref": f"#/$defs/{name}"}]})


def test_the_file_is_what_the_code_says() -> None:
    written = "run: python -m limbeck_protocol.schema > docs/protocol.schema.json"
    assert json.loads(FILE.read_text(encoding="utf-8")) == SCHEMA, written


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(BUFFERS) <= set(ALL)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.bin")), ids=lambda path: path.stem)
def test_recorded_headers_are_valid(path: Path) -> None:
    VALIDATOR.validate(json.loads(split(path.read_bytes())[1]))


@given(message=st.sampled_from([*ALL.values()]).flatmap(of_type))
def test_every_message_that_is_written_is_valid(message: object) -> None:
    side = "FromServer" if TYPE_NAMES[type(message)] in SERVER_MESSAGES else "FromClient"
    validator_of(side).validate(json.loads(write_message(message, Header("", id="a"))[1]))


@given(job=jobs)
def test_every_job_description_is_valid(job: Any) -> None:
    validator_of("JobSpec").validate(job_to_dict(job))


FIELDS = st.sampled_from(["job", "key", "after", "previews", "offset", "length", "blob", "client", "app", "features"])


@given(name=st.sampled_from([*CLIENT_MESSAGES]), body=st.dictionaries(FIELDS, values, max_size=5))
def test_what_the_server_reads_is_valid(name: str, body: dict) -> None:
    try:
        read_message(Packet(Header(name, body=body)), CLIENT_MESSAGES)
    except ProtocolError:
        return  # the schema is allowed to be more lenient: numbers have limits that it does not know
    validator_of("FromClient").validate({"t": name, "id": "a", "body": body})


@pytest.mark.parametrize(
    "header",
    [
        {"t": "job.cancel", "body": {}},
        {"t": "job.cancel", "body": {"job": 7}},
        {"t": "job.fly", "body": {}},
        {"body": {}},
        {"t": "ping", "bufs": [{"n": "x", "d": "<f8", "s": [1]}]},
        {"t": "job.snapshot", "body": {"job": "a", "state": "sleeping"}},
    ],
)
def test_what_no_peer_accepts_is_not_valid(header: dict) -> None:
    assert not VALIDATOR.is_valid(header)
    assert JobSnapshot.__name__ in SCHEMA["$defs"]
