# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Keys on disk: this machine's own server key, and one small file for each client that is let in."""

from __future__ import annotations

import json
import re
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, TypeVar, get_args

import zmq
from zmq.utils import z85

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.strict_json import load_json_object
from limbeck_protocol.typed import from_plain
from limbeck_server.files import make_private_folder, storage_error, write_atomically

Role = Literal["admin", "submit", "read", "worker"]
ROLES: tuple[Role, ...] = get_args(Role)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
MAX_KEY_FILE_BYTES = 4096
Kind = TypeVar("Kind")


@dataclass(frozen=True)
class KeyPair:
    """A CURVE key pair in Z85, 40 characters each."""

    public: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class AuthorizedKey:
    """A public key that may enter, and what its owner may do; ``added_at`` in Unix seconds."""

    name: str
    public: str
    role: Role
    added_at: float = 0.0


def new_key_pair() -> KeyPair:
    """Return a fresh key pair."""
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def server_key_pair(config_folder: Path) -> KeyPair:
    """Return this machine's server key, made at the first call and kept, because remote clients know it by heart.

    Raises:
        ProtocolError: E_KEY_FILE if it is damaged or open to others, E_INSECURE_FOLDER, E_FILE or E_DISK_FULL.
    """
    path = keys_folder(config_folder) / "server.json"
    if not path.exists():
        write_atomically(path, json.dumps(asdict(new_key_pair())).encode(), mode=0o600)
    pair = _read(path, KeyPair)
    if not is_key(pair.secret) or zmq.curve_public(pair.secret.encode()).decode() != pair.public:
        raise _damaged(path, "its two keys do not belong together")
    return pair


def authorize(config_folder: Path, name: str, public: str, role: Role) -> AuthorizedKey:
    """Let a client in.

    Raises:
        ProtocolError: E_KEY for a name, key or role that is none, or a name or key that is taken; E_FILE, E_DISK_FULL.
    """
    require_name(name)
    if not is_key(public):
        raise ProtocolError("E_KEY", "expected a public key of 40 Z85 characters, got another", "copy all of it")
    if role not in ROLES:
        raise ProtocolError("E_KEY", f"expected a role of {', '.join(ROLES)}, got {role[:40]!r}", "give one of them")
    for known in authorized_keys(config_folder):
        if known.name == name or known.public == public:
            message = f"expected a new name and key, got those of {known.name!r} ({known.role})"
            raise ProtocolError("E_KEY", message, f"take it back first: limbeck keys revoke {known.name}")
    key = AuthorizedKey(name, public, role, round(time.time(), 3))
    write_atomically(_path(config_folder, name), json.dumps(asdict(key)).encode(), mode=0o600)
    return key


def revoke(config_folder: Path, name: str) -> None:
    """Let a client in no longer; a running server ends its sessions within seconds.

    Raises:
        ProtocolError: E_KEY if no key has that name, E_FILE.
    """
    require_name(name)
    try:
        _path(config_folder, name).unlink()
    except FileNotFoundError as error:
        message = f"there is no authorised key {name!r}"
        raise ProtocolError("E_KEY", message, "see all with: limbeck keys list") from error
    except OSError as error:
        raise storage_error(error, _path(config_folder, name)) from error


def authorized_keys(config_folder: Path) -> list[AuthorizedKey]:
    """Return the keys that may enter, by name.

    Raises:
        ProtocolError: E_KEY_FILE naming a file that is damaged: better nobody enters than the wrong one.
    """
    folder = authorized_folder(config_folder)
    if not folder.is_dir():
        return []
    keys = [key for path in sorted(folder.glob("*.json")) if (key := _read_if_there(path)) is not None]
    for key in keys:
        if NAME.match(key.name) is None or not is_key(key.public):
            raise _damaged(folder, f"it holds a damaged key {key.name[:64]!r}")
    return keys


def keys_folder(config_folder: Path) -> Path:
    """Return the folder of the keys, made private to the user.

    Raises:
        ProtocolError: E_INSECURE_FOLDER or E_FILE.
    """
    return make_private_folder(config_folder / "keys")


def authorized_folder(config_folder: Path) -> Path:
    """Return where the authorised keys lie, whether or not there are any."""
    return config_folder / "keys" / "authorized"


def is_key(text: str) -> bool:
    """Say whether the text is a CURVE key in Z85."""
    try:
        return len(text) == 40 and len(z85.decode(text.encode("ascii"))) == 32
    except (ValueError, KeyError, UnicodeEncodeError):
        return False


def require_private(path: Path) -> None:
    """Refuse a file that others may read.

    Raises:
        ProtocolError: E_KEY_FILE.
    """
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        raise _damaged(path, "others may read it")


def _path(config_folder: Path, name: str) -> Path:
    make_private_folder(keys_folder(config_folder) / "authorized")
    return authorized_folder(config_folder) / f"{name}.json"


def require_name(name: str) -> None:
    """Refuse what is no name for a key.

    Raises:
        ProtocolError: E_KEY.
    """
    if NAME.match(name) is None:
        message = f"expected a name of a-z, 0-9 and . _ -, at most 64 characters, got {name[:80]!r}"
        raise ProtocolError("E_KEY", message, "choose another name, such as alice-laptop")


def _read_if_there(path: Path) -> AuthorizedKey | None:
    """Return a key, or None if it was revoked while the folder was listed: that must not shut out all others."""
    try:
        return _read(path, AuthorizedKey)
    except ProtocolError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _read(path: Path, kind: type[Kind]) -> Kind:
    try:
        require_private(path)
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES + 1)
        return from_plain(kind, load_json_object(content, MAX_KEY_FILE_BYTES, 4))
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    except ProtocolError as error:
        raise error if error.code == "E_KEY_FILE" else _damaged(path, error.message) from error


def _damaged(path: Path, why: str) -> ProtocolError:
    remedy = "give it mode 0600, or remove it and authorise the key again: limbeck keys authorize"
    return ProtocolError("E_KEY_FILE", f"the key file {path} cannot be used: {why}", remedy)
