# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What an engine and its libraries say, as text that fits into a message whatever it is."""

from __future__ import annotations

import logging

MAX_LINE_BYTES = 500
"""Of one line of a job's log, as JSON: a hundred of them have to fit into one header."""
MAX_TEXT_BYTES = 4000
"""Of a message: what a worker may send fills a header, and clients are told more in theirs."""
MAX_NAME_BYTES = 64
"""Of a code or a stage."""


def sendable(text: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return a text without what UTF-8 cannot say and JSON writes at length, and no longer than so many bytes of JSON.

    Args:
        text: anything; control characters and unpaired surrogates become spaces.
        max_bytes: of UTF-8, in which quotes and backslashes count twice.
    """
    size, kept = 0, []
    for character in text[:max_bytes]:
        shown = character if character.isprintable() else " "
        size += 2 if shown in '"\\' else len(shown.encode())
        if size > max_bytes:
            break
        kept.append(shown)
    return "".join(kept)


def line_of(record: logging.LogRecord) -> str:
    """Return a log record as a line of a job's log; one whose arguments do not fit its format has none."""
    try:
        text = record.getMessage()
    except Exception:  # noqa: BLE001 - whatever a library logs must not end its job
        text = str(record.msg)
    return sendable(f"{record.levelname.lower()} {text}", MAX_LINE_BYTES)
