# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck keys``: who may reach this machine's server from elsewhere, and the file that a client needs for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import click

from limbeck_protocol.connection import Endpoint, endpoint_to_json
from limbeck_protocol.errors import ProtocolError
from limbeck_server import key_files
from limbeck_server.files import make_folder, write_atomically
from limbeck_server.key_files import ROLES, Role
from limbeck_server.settings import config_folder

DEFAULT_ADDRESS = "tcp://SERVER:7711"
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def keys() -> None:
    """Let clients and workers on other machines in, and take that back."""


@keys.command()
@click.argument("name")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to make. Default: NAME.json")
@click.option("--authorize", "role", type=click.Choice(ROLES), help="Let the key into this machine's server at once.")
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="Where the client will find the server.")
@click.option("--server-key", help="The server's public key ('limbeck keys list' there). Default: this machine's.")
@json_option
def new(name: str, output: Path | None, role: str | None, address: str, server_key: str | None, as_json: bool) -> None:
    """Make a key pair and the connection file that its owner sets LIMBECK_CONNECTION to."""
    key_files.require_name(name)
    path = output or Path(f"{name}.json")
    if path.exists():
        raise ProtocolError("E_KEY", f"expected a new file, {path} is there already", "choose another with -o")
    if server_key is not None and not key_files.is_key(server_key):
        raise ProtocolError("E_KEY", "expected a server key of 40 Z85 characters, got another", "copy all of it")
    make_folder(path.absolute().parent)
    pair = key_files.new_key_pair()
    theirs = server_key or key_files.server_key_pair(config_folder()).public
    write_atomically(path, endpoint_to_json(Endpoint(address, theirs, pair.public, pair.secret)), mode=0o600)
    try:
        if role is not None:
            key_files.authorize(config_folder(), name, pair.public, cast(Role, role))
    except ProtocolError:
        path.unlink()
        raise
    what = f"authorised as {role}" if role else "authorise it at the server: limbeck keys authorize NAME 'PUBLIC'"
    result = {"name": name, "public": pair.public, "file": str(path), "role": role}
    say(result, as_json, f"{path}: public key {pair.public}; {what}")


@keys.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("name")
@click.argument("public")
@click.option("--role", type=click.Choice(ROLES), default="submit", show_default=True)
@json_option
def authorize(name: str, public: str, role: str, as_json: bool) -> None:
    """Let the holder of a key into this machine's server.

    Put the key in quotes, since it has characters that mean something to a shell; it may begin with a hyphen.
    read looks on; submit also submits, and changes its own jobs; admin changes all; worker is for 'limbeck worker'.
    """
    key = key_files.authorize(config_folder(), name, public, cast(Role, role))
    say({"name": key.name, "public": key.public, "role": key.role}, as_json, f"{key.name} may enter as {key.role}")


@keys.command()
@click.argument("name")
@json_option
def revoke(name: str, as_json: bool) -> None:
    """Let a key in no longer; a running server ends its sessions within seconds."""
    key_files.revoke(config_folder(), name)
    say({"name": name}, as_json, f"{name} may not enter any more")


@keys.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """Show who may enter, and this machine's own public key."""
    server_key = key_files.server_key_pair(config_folder()).public
    found = key_files.authorized_keys(config_folder())
    lines = [f"server {server_key}", *(f"{key.role:6} {key.public} {key.name}" for key in found)]
    listed = [{"name": key.name, "public": key.public, "role": key.role} for key in found]
    say({"server_key": server_key, "keys": listed}, as_json, "\n".join(lines))


def say(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result."""
    click.echo(json.dumps(result) if as_json else text)
