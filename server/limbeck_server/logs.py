# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The server's log: one JSON object per line, rotated, without prompts.

A ``trace_id`` in a line is the one that the client sees in its error.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
from pathlib import Path
from typing import Any

from limbeck_server.files import make_folder

STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def json_line(record: logging.LogRecord) -> str:
    """Return a record and its extra fields as one line of JSON."""
    line: dict[str, Any] = {"at": round(record.created, 3), "level": record.levelname, "event": record.getMessage()}
    line["logger"] = record.name
    line |= {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
    if record.exc_info:
        line["traceback"] = logging.Formatter().formatException(record.exc_info)
    return json.dumps(line, default=str)


def open_log(state_folder: Path) -> logging.Handler:
    """Send the server's log to ``logs/server.log`` and return the handler, to be closed at the end.

    Raises:
        ProtocolError: E_FILE if the folder cannot be made.
    """
    folder = make_folder(state_folder / "logs")
    handler = logging.handlers.RotatingFileHandler(folder / "server.log", maxBytes=5_000_000, backupCount=3)
    handler.format = json_line
    logger = logging.getLogger("limbeck")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler


def close_log(handler: logging.Handler) -> None:
    """Stop logging to a handler."""
    logging.getLogger("limbeck").removeHandler(handler)
    handler.close()
