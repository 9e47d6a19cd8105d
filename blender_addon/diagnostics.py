# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report that helps to find what is wrong, without keys, names of people or prompts. Knows no bpy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LOG_LINES = 40
LOG_BYTES = 64 * 1024
MIN_SECRET_CHARACTERS = 3
KEY_LENGTH = 40
_KEY = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40,}")
"""A run without spaces of the 85 characters that CURVE keys are written in, as long as one; so are other tokens."""
_PATH = re.compile(r"[\w./\\:+-]+")
_HOME = re.compile(r"(?i)(/home/|/users/|\\+users\\+)[^/\\\s\"']+")
_PROMPT = re.compile(r"(\"?(?:negative_)?prompt\"?\s*[:=]\s*)(\"(?:[^\"\\]|\\.)*\"|'[^']*'|[^,}\n]+)")


@dataclass(frozen=True)
class Facts:
    """What the report says, from Blender and from the link."""

    addon_version: str
    blender_version: str
    system: str
    python_version: str
    status: str
    server_version: str = ""
    address: str = ""
    devices: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    log_file: Path | None = None


def report(facts: Facts, secrets: Iterable[str] = ()) -> str:
    """Return the report; every secret, such as a prompt, is left out wherever it stands."""
    lines = [
        "Limbeck diagnostics",
        f"Add-on: {facts.addon_version}",
        f"Blender: {facts.blender_version}",
        f"System: {facts.system}",
        f"Python: {facts.python_version}",
        f"Status: {facts.status}",
        f"Server: {facts.server_version or 'not known'} at {_shape_of(facts.address)}",
        f"Devices: {', '.join(facts.devices) or 'not known'}",
        "Last problems:",
        *(f"  {problem}" for problem in facts.problems or ("none",)),
        f"Last lines of the server's log ({facts.log_file.name if facts.log_file else 'none'}):",
        *(f"  {line}" for line in last_lines(facts.log_file)),
    ]
    return cleaned("\n".join(lines), secrets) + "\n"


def cleaned(text: str, secrets: Iterable[str] = ()) -> str:
    """Return a text without secrets, long keys, prompts and the names of home folders."""
    named = {str(Path.home()), *secrets}
    for secret in sorted(named, key=len, reverse=True):
        if len(secret.strip()) >= MIN_SECRET_CHARACTERS:
            text = text.replace(secret.strip(), "~" if secret == str(Path.home()) else "(left out)")
    text = _PROMPT.sub(r"\1(left out)", text)
    text = _HOME.sub(r"\1(user)", text)
    return _KEY.sub(_without_key, text)


def last_lines(file: Path | None, count: int = LOG_LINES) -> list[str]:
    """Return the end of a log; nothing where there is none."""
    if file is None:
        return []
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(log.tell() - LOG_BYTES, 0))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    return text.splitlines()[-count:]


def _without_key(match: re.Match[str]) -> str:
    """Leave out what may be a key. A path is none: its parts are shorter, and it has none of a key's odd characters."""
    word = match.group()
    is_path = _PATH.fullmatch(word) is not None and max(len(part) for part in re.split(r"[/\\]", word)) < KEY_LENGTH
    return word if is_path else "(key left out)"


def _shape_of(address: str) -> str:
    """Return what kind of address it is, without naming a computer."""
    if not address:
        return "no address"
    scheme, _, rest = address.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme != "tcp":
        return scheme
    is_here = host in ("127.0.0.1", "localhost", "[::1]")
    return f"tcp, {'this computer' if is_here else 'another computer'}, port {port}"
