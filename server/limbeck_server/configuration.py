# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where settings come from: the default, config.toml, LIMBECK_* in the environment, flags; the later one counts."""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck_protocol.connection import runtime_folder
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.typed import from_plain
from limbeck_server.settings import ServerSettings, config_folder, data_folder, state_folder

FILE_NAME = "config.toml"
TABLE = "server"
MAX_FILE_BYTES = 1 << 20
FOLDERS = {
    "data_folder": (data_folder, "LIMBECK_DATA_DIR"),
    "state_folder": (state_folder, "LIMBECK_STATE_DIR"),
    "runtime_folder": (runtime_folder, "LIMBECK_RUNTIME_DIR"),
    "config_folder": (config_folder, "LIMBECK_CONFIG_DIR"),
}
"""Folders that clients and commands must find without the file: from the environment alone."""


@dataclass(frozen=True)
class Setting:
    """One setting: its value, and where that comes from."""

    name: str
    value: Any
    origin: str


def effective_settings(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] = os.environ
) -> list[Setting]:
    """Return every setting of ``limbeck serve``.

    Args:
        flags: by name, from the command line; None means not given.
        environment: LIMBECK_NAME for each setting's name.

    Raises:
        ProtocolError: E_CONFIG naming the file or the variable and the setting.
    """
    path = config_folder() / FILE_NAME
    from_file = read_table(path)
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    settings = [
        Setting(name, find(), f"environment {variable}" if environment.get(variable) else "default")
        for name, (find, variable) in FOLDERS.items()
    ]
    for field, kind in _configurable().items():
        settings.append(_setting(field, kind, (given, environment, from_file, path)))
    return settings


def load_settings(**flags: Any) -> ServerSettings:
    """Return the settings of this user on this machine; flags that are None were not given.

    Raises:
        ProtocolError: E_CONFIG.
    """
    return settings_from(effective_settings(flags))


def settings_from(settings: Sequence[Setting]) -> ServerSettings:
    """Return the settings as the server takes them.

    Raises:
        ProtocolError: E_CONFIG if one is out of range, naming where it comes from.
    """
    try:
        return ServerSettings(**{setting.name: setting.value for setting in settings})
    except ProtocolError as error:
        origins = [setting.origin for setting in settings if setting.name == error.field]
        if error.code != "E_CONFIG" or origins in ([], ["default"]):
            raise
        message, remedy = f"{error.message} ({origins[0]})", f"correct {origins[0]}"
        raise ProtocolError(error.code, message, remedy, field=error.field) from error


def read_table(path: Path) -> dict[str, Any]:
    """Return the file's table ``[server]``, checked; there need not be a file.

    Raises:
        ProtocolError: E_CONFIG.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES).decode()
        tables = tomllib.loads(content)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise _config_error(f"expected TOML in {path}, got {str(error)[:200]}", str(path)) from error
    table = tables.get(TABLE, {})
    stray = [name for name in tables if name != TABLE]
    if stray:
        message = f"expected nothing but the table [{TABLE}] in {path}, got {stray[0][:64]!r}"
        raise ProtocolError("E_CONFIG", message, f"put it under [{TABLE}], or take it out", field=stray[0][:64])
    if not isinstance(table, dict):
        raise _config_error(f"expected a table [{TABLE}] in {path}, got a value", str(path))
    unknown = [name for name in table if name not in _configurable()]
    if unknown:
        known = ", ".join(_configurable())
        raise _config_error(f"expected one of {known} in {path}, got {unknown[0][:64]!r}", str(path))
    return {
        name: _checked(name, kind, table[name], str(path)) for name, kind in _configurable().items() if name in table
    }


def _setting(
    name: str, kind: Any, sources: tuple[Mapping[str, Any], Mapping[str, str], Mapping[str, Any], Path]
) -> Setting:
    given, environment, from_file, path = sources
    variable = f"LIMBECK_{name.upper()}"
    if name in given:
        return Setting(name, given[name], f"flag --{name.replace('_', '-')}")
    if environment.get(variable):
        value = _plain(kind, environment[variable])
        return Setting(name, _checked(name, kind, value, variable), f"environment {variable}")
    if name in from_file:
        return Setting(name, from_file[name], str(path))
    default = next(field.default for field in dataclasses.fields(ServerSettings) if field.name == name)
    return Setting(name, default, "default")


def _configurable() -> dict[str, Any]:
    """Return the names and types of the settings that a file may give."""
    return {name: kind for name, kind in typing.get_type_hints(ServerSettings).items() if name not in FOLDERS}


def _plain(kind: Any, text: str) -> Any:
    """Return a variable's text as the value that a file would hold; a list is written with commas."""
    if kind is str or (isinstance(kind, types.UnionType) and str in typing.get_args(kind)):
        return text
    try:
        return json.loads(f"[{text}]") if typing.get_origin(kind) is tuple else json.loads(text)
    except ValueError:
        return text


def _checked(name: str, kind: Any, value: Any, where: str) -> Any:
    try:
        return from_plain(kind, value, name)
    except ProtocolError as error:
        raise _config_error(f"{error.message} ({where})", where, name) from error


def _config_error(message: str, where: str, name: str | None = None) -> ProtocolError:
    return ProtocolError("E_CONFIG", message, f"correct {where}; docs/commands.md lists the settings", field=name)
