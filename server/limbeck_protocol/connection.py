# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How a client finds the server: a file in the user's runtime folder that only the user may read."""

from __future__ import annotations

import json
import os
import shlex
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.processes import is_running, process_start

FILE_NAME = "connection.json"
MAX_FILE_BYTES = 64 * 1024
NEW_KEY = "limbeck keys new NAME --authorize ROLE --address tcp://HOST:PORT"


@dataclass(frozen=True)
class Endpoint:
    """Where a server listens and what a client needs to be let in.

    Attributes:
        address: a ZeroMQ address, ``ipc://...`` or ``tcp://host:port``.
        server_key, client_public, client_secret: CURVE keys in Z85 (40 characters), or all None over ipc.
        pid: the server's process, 0 if not known.
        process_start: when that process started, so that a reused pid is noticed, as processes.py counts; 0 if unknown.
        started_at: Unix seconds.
        epoch: random per server start.
        version: of the server's package.
        workers: where the server waits for workers on other machines, if it does.
    """

    address: str
    server_key: str | None = None
    client_public: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    pid: int = 0
    process_start: int = 0
    started_at: float = 0.0
    epoch: str = ""
    version: str = ""
    workers: str = ""


def runtime_folder() -> Path:
    """Return the folder of the socket and the connection file; the server and every client find the same one.

    LIMBECK_RUNTIME_DIR if set; else ``limbeck`` in XDG_RUNTIME_DIR or /run/user/UID (Linux),
    ~/Library/Caches/TemporaryItems (macOS) or LOCALAPPDATA's Temp (Windows); else ``limbeck-UID`` where temporary
    files go.
    """
    override = os.environ.get("LIMBECK_RUNTIME_DIR")
    if override:
        return Path(override)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", tempfile.gettempdir())) / "Temp" / "limbeck"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "TemporaryItems" / "limbeck"
    user_folder = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}")
    return user_folder / "limbeck" if user_folder.is_dir() else Path(tempfile.gettempdir()) / f"limbeck-{os.getuid()}"


def connection_file() -> Path:
    """Return the path of the connection file, whether or not it exists.

    It is LIMBECK_CONNECTION if that is set, for a server elsewhere, else the one that this user's own server writes.
    """
    named = os.environ.get("LIMBECK_CONNECTION")
    return Path(named) if named else runtime_folder() / FILE_NAME


def discover() -> Endpoint | None:
    """Return the running server's endpoint, or None if there is no connection file or its server is gone.

    Raises:
        ProtocolError: E_CONNECTION_FILE if there is a file that cannot be read or trusted.
    """
    try:
        endpoint = read_connection_file(connection_file())
    except FileNotFoundError:
        return None
    return endpoint if is_elsewhere(endpoint) or is_alive(endpoint) else None


def is_elsewhere(endpoint: Endpoint) -> bool:
    """Say whether the endpoint is one that LIMBECK_CONNECTION names for a server whose process cannot be looked at."""
    return endpoint.pid == 0 and bool(os.environ.get("LIMBECK_CONNECTION"))


def is_alive(endpoint: Endpoint) -> bool:
    """Say whether the endpoint's process still runs, as far as can be known without asking it."""
    if not is_running(endpoint.pid):
        return False
    started = process_start(endpoint.pid)
    return started == endpoint.process_start or 0 in (started, endpoint.process_start)


def read_connection_file(path: Path) -> Endpoint:
    """Read a connection file.

    Raises:
        FileNotFoundError: if there is none.
        ProtocolError: E_CONNECTION_FILE if others may read or have written it, or it is damaged.
    """
    try:
        with path.open("rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            plain = json.loads(file.read(MAX_FILE_BYTES))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise _file_error(path, f"cannot be read: {error}") from error
    return _endpoint_from_dict(path, plain)


def endpoint_to_json(endpoint: Endpoint) -> bytes:
    """Return the content of a connection file."""
    present = {name: value for name, value in asdict(endpoint).items() if value is not None}
    return json.dumps({"schema": 1, **present}, indent=1).encode()


def _endpoint_from_dict(path: Path, plain: object) -> Endpoint:
    if not isinstance(plain, dict) or plain.get("schema") != 1:
        raise _file_error(path, "is none, or of another version")
    kinds = {"pid": (int,), "process_start": (int,), "started_at": (int, float)}
    arguments = {}
    for name in Endpoint.__dataclass_fields__:
        if name in plain:
            if not isinstance(plain[name], kinds.get(name, (str,))):
                raise _file_error(path, f"has a damaged field {name}")
            arguments[name] = plain[name]
    if "address" not in arguments:
        raise _file_error(path, "has no address")
    return Endpoint(**arguments)


def _check_private(path: Path, stat: os.stat_result) -> None:
    if sys.platform == "win32":
        return
    if stat.st_uid != os.getuid():
        remedy = f"do not trust it: have the key sent to you again, or make one: {NEW_KEY}"
        raise _file_error(path, "belongs to somebody else", remedy)
    if stat.st_mode & 0o077:
        what = f"holds a secret key and others may read it (mode {stat.st_mode & 0o777:04o})"
        raise _file_error(path, what, f"make it yours alone: chmod 600 {shlex.quote(str(path))}")


def remedy_for_damage(path: Path) -> str:
    """Return what to do about a connection file that cannot be used: a server's own is made anew at every start."""
    if path == runtime_folder() / FILE_NAME:
        return "delete it and start limbeck serve"
    return f"copy it again from where it was made, or make a new one at the server: {NEW_KEY}"


def _file_error(path: Path, what: str, remedy: str = "") -> ProtocolError:
    message = f"the connection file {path} {what}"
    return ProtocolError("E_CONNECTION_FILE", message, remedy or remedy_for_damage(path))
