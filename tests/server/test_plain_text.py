# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Whatever an engine and its libraries say, it travels, and no job ends of it."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.envelope import write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import LogText
from limbeck_protocol.job import JobSpec
from limbeck_server.plain_text import MAX_LINE_BYTES, line_of, sendable
from limbeck_server.postbox import MAX_LINES
from limbeck_server.run_order import failed, finish
from limbeck_server.worker_messages import NAMES, Logged
from server.harness import RunningServer, connected, first, run_job

ANY = st.text(st.characters(codec=None, exclude_categories=()), max_size=2000)


@given(text=ANY, max_bytes=st.integers(0, 600))
def test_any_text_becomes_json_of_so_many_bytes(text: str, max_bytes: int) -> None:
    found = sendable(text, max_bytes)
    assert len(json.dumps(found, ensure_ascii=False).encode()) <= max_bytes + 2
    assert found.isprintable()


@given(text=st.text(st.characters(categories=["L", "N"]), max_size=100))
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert sendable(text) == text


@pytest.mark.parametrize("character", ["y", '"', "\0", "\udcff", "漢", "\U0001f427"])
def test_as_many_lines_as_wait_fit_into_a_message(character: str) -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, character * 5000, (), None)
    line = line_of(record)
    assert len(line) > MAX_LINE_BYTES // 5
    write_message(Logged((line,) * MAX_LINES, 10**9), names=NAMES)


def test_a_record_whose_arguments_do_not_fit_is_logged_as_it_is() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "%d apples", ("no",), None)
    assert line_of(record) == "warning %d apples"


def test_a_library_that_logs_much_and_oddly_ends_no_job(server: RunningServer) -> None:
    with connected(server, "loud") as client:
        job, events = run_job(client, JobSpec("a loud penguin", steps=1))
        assert events[-1].state == "succeeded"
        client.log(job)
        text = first(client, LogText).text
    assert "warning 0 yyy" in text
    assert "lines dropped" in text


def nested(levels: int) -> dict[str, Any]:
    return {} if levels == 0 else {"a": nested(levels - 1)}


@pytest.mark.parametrize("summary", [{"a": math.nan}, {"a": {1, 2}}, {"a": "\udcff"}, {"a": "x" * 40_000}, nested(20)])
def test_a_summary_that_cannot_be_sent_is_the_engines_error(tmp_path: Path, summary: dict[str, Any]) -> None:
    file = tmp_path / "asset.glb"
    file.write_bytes(b"asset")
    with pytest.raises(ProtocolError, match="E_ENGINE"):
        finish(file, summary, tmp_path)


def test_an_error_of_any_length_and_kind_can_be_sent() -> None:
    ending = failed(ProtocolError("E_FILE", "\udcff" * 100_000, "x" * 100_000))
    write_message(ending, names=NAMES)
