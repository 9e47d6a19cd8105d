# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Servers that need a key, and Blender's switch for online access."""

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import VIEWPORT, Blender
from blender.gui.steps import assert_one_asset, generate, is_over
from blender.synthetic_engine import SERVE

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
ELSEWHERE = "tcp://192.0.2.1:7711"
"""RFC 5737: an address that is nobody's."""


@pytest.fixture
def key_file(environment: dict[str, str], tmp_path: Path) -> Iterator[Path]:
    """Yield a client's connection file for a server that listens on TCP and lets in its key alone."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
    elsewhere = {**environment, "LIMBECK_RUNTIME_DIR": str(tmp_path / "limbeck-elsewhere")}
    file = tmp_path / "alice.json"
    command = [*SERVE[:3], "keys", "new", "alice", "--authorize", "submit", "--address", address, "-o", str(file)]
    subprocess.run(command, env=elsewhere, check=True, timeout=60)
    server = Server(elsewhere)
    server.start("--bind", address)
    yield file
    server.stop()


@pytest.mark.parametrize("access", ["--offline-mode", "--online-mode"])
def test_server_with_a_key_on_loopback_works_with_online_access_on_or_off(
    start_blender: Callable[..., Blender], key_file: Path, access: str
) -> None:
    blender = start_with(start_blender, access, key_file)
    blender.until("job.is_ready")
    generate(blender, steps=20)
    assert_one_asset(blender.watch(is_over))
    blender.quit()


def test_unknown_key_is_refused_with_a_message(start_blender: Callable[..., Blender], key_file: Path) -> None:
    """Swapping the pair for that of another client leaves the server's key right and the client's unknown."""
    other = key_file.with_name("mallory.json")
    endpoint = json.loads(key_file.read_text())
    command = [*SERVE[:3], "keys", "new", "mallory", "--server-key", endpoint["server_key"], "-o", str(other)]
    subprocess.run([*command, "--address", endpoint["address"]], check=True, timeout=60)
    blender = start_with(start_blender, "--offline-mode", other)
    refused = blender.watch(lambda state: state["status"] not in ("Connecting", "No server"))
    assert refused["status"] == "The server does not accept this key"
    blender.picture("blender-refused", VIEWPORT, is_for_docs=True)
    blender.quit()


def test_server_elsewhere_is_used_only_with_online_access(
    start_blender: Callable[..., Blender], key_file: Path
) -> None:
    elsewhere = key_file.with_name("elsewhere.json")
    elsewhere.write_text(json.dumps(json.loads(key_file.read_text()) | {"address": ELSEWHERE}))
    elsewhere.chmod(0o600)
    for access, status in (("--offline-mode", "Blender's online access is off"), ("--online-mode", "Connecting")):
        blender = start_with(start_blender, access, elsewhere)
        blender.watch(lambda state, status=status: state["status"] == status)
        blender.picture(f"blender-elsewhere{access}")
        blender.quit()


def start_with(start_blender: Callable[..., Blender], access: str, file: Path) -> Blender:
    """Return a Blender whose preferences name a connection file."""
    blender = start_blender(access)
    blender.call("screen.empty_scene")
    blender.call("job.set_preference", name="connection_file", value=str(file))
    blender.call("screen.open_sidebar")
    return blender
