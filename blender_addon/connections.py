# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a connection that was pasted as text in a private file. Knows no bpy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import wire
from .private_files import write_private

FILE_NAME = "pasted.json"
MAX_CHARACTERS = 64 * 1024


@dataclass(eq=False)  # an exception must be hashable, and take a traceback
class ConnectionTextError(Exception):
    """A text that is no connection, and what to paste instead."""

    message: str


def keep(text: str, folder: Path) -> Path:
    """Write the text of a connection file into a folder, for its owner's eyes only, and return the file.

    Raises:
        ConnectionTextError: if it is no connection file's content or cannot be kept; an earlier one stays as it was.
    """
    if not text.strip().startswith("{") or len(text) > MAX_CHARACTERS:
        raise ConnectionTextError(
            "The clipboard holds no connection: copy the whole content of the file that limbeck keys new has made"
        )
    trial, file = folder / f"trial-{FILE_NAME}", folder / FILE_NAME
    try:
        write_private(trial, text.strip().encode())
        wire.connection.read_connection_file(trial)
        trial.replace(file)
    except wire.errors.ProtocolError as error:
        raise ConnectionTextError(f"The clipboard's connection cannot be used: {_reason(error.message)}") from error
    except OSError as error:
        raise ConnectionTextError(f"The connection cannot be kept: {error.strerror}") from error
    finally:
        trial.unlink(missing_ok=True)
    return file


def _reason(message: str) -> str:
    """Return the end of a message on a file that the artist has never seen."""
    return "it " + message.partition(FILE_NAME)[2].strip() if FILE_NAME in message else message
