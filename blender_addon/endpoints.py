# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server to use: that of a file, or of this computer; and whether it is on this computer. Knows no bpy."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from . import wire
from .job import Problem

if TYPE_CHECKING:
    from limbeck_protocol.connection import Endpoint
    from limbeck_protocol.errors import ProtocolError


def is_local(address: str) -> bool:
    """Return whether a ZeroMQ address stays on this computer, where Blender's online access does not matter."""
    if not address.startswith("tcp://"):
        return True
    host = address.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def problem_of(error: ProtocolError) -> Problem:
    """Return an error of the wire as the panel shows it."""
    return Problem(error.message, error.remedy, error.code)


def missing_file(connection_file: str) -> Problem:
    return Problem(
        f"There is no connection file {connection_file}",
        "Choose the file that limbeck serve has written, or clear the field to use this computer's server",
        "E_CONNECTION_FILE",
    )


def endpoint_of(connection_file: str) -> Endpoint | None:
    """Return the endpoint in a file that the artist names, else of the server that runs on this computer.

    Raises:
        FileNotFoundError: if the file that is named does not exist.
        ProtocolError: E_CONNECTION_FILE if a file is damaged, or others may read it.
    """
    if connection_file:
        return wire.connection.read_connection_file(Path(connection_file))
    return wire.connection.discover()
