# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Unix sockets as files: where a server may make one. libzmq itself removes whatever is there before it binds."""

from __future__ import annotations

import socket
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_server.files import make_private_folder


def check_socket_path(path: Path) -> None:
    """Refuse a path that is no private place for a socket; an abstract one (``@name``) is open to every user.

    Raises:
        ProtocolError: E_ADDRESS, E_INSECURE_FOLDER or E_FILE.
    """
    if not path.is_absolute() or path.name in ("", "*"):
        remedy = "use ipc:///folder/name, in a folder of your own"
        raise ProtocolError("E_ADDRESS", f"expected the absolute path of a socket, got {str(path)!r}", remedy)
    make_private_folder(path.parent)
    if path.exists() and not path.is_socket():
        raise ProtocolError("E_ADDRESS", f"expected a socket or nothing at {path}, got a file", "choose another name")


def require_unused(path: Path) -> None:
    """Refuse a socket at which somebody listens; one that a dead server left refuses connections.

    Raises:
        ProtocolError: E_ADDRESS.
    """
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as caller:
        try:
            caller.connect(str(path))
        except OSError:
            return
    raise ProtocolError("E_ADDRESS", f"another server listens at {path}", "choose another name, or stop it first")


def remove_socket(address: str) -> None:
    """Remove the socket of an ``ipc://`` address, which libzmq leaves behind; there is nothing to remove of others."""
    if address.startswith("ipc://"):
        Path(address.removeprefix("ipc://")).unlink(missing_ok=True)
