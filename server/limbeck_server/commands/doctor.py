# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck doctor``: look at everything that has to be right; changes nothing and does not import torch."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import click
import platformdirs
import zmq

import limbeck
from limbeck import __version__
from limbeck_protocol import blocking
from limbeck_protocol.absent import no_server
from limbeck_protocol.connection import connection_file, is_alive, is_elsewhere, read_connection_file
from limbeck_protocol.errors import ProtocolError
from limbeck_server.configuration import load_settings
from limbeck_server.key_files import authorized_keys
from limbeck_server.settings import ServerSettings, data_folder
from limbeck_server.transport import check_address

MIN_FREE_BYTES = 1_000_000_000
INSTALL_REMEDY = "in a clone of Limbeck's repository: python -m pip install ."


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    name: str
    state: Literal["ok", "note", "warning", "problem"]
    text: str
    remedy: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check this installation and the server, for you and for bug reports."""
    findings = list(examine())
    has_problem = any(finding.state == "problem" for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": not has_problem, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            click.echo(f"{finding.state:8} {finding.name}: {finding.text}")
            if finding.remedy:
                click.echo(f"{'':8} -> {finding.remedy}")
    context.exit(1 if has_problem else 0)


def examine() -> Iterator[Finding]:
    """Yield what was found, one thing after the other."""
    yield Finding("limbeck", "ok", __version__)
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")
    yield examine_torch()
    yield from examine_gsplat()
    yield from examine_settings()
    yield examine_space()
    yield examine_numba_cache()
    yield from examine_server()


def examine_torch() -> Finding:
    """Look for torch and a GPU without importing torch, which takes seconds."""
    try:
        text = f"torch {version('torch')}"
    except PackageNotFoundError:
        return Finding("torch", "problem", "not installed", INSTALL_REMEDY)
    return Finding("torch", "ok", f"{text}, {gpu_name() or 'no NVIDIA GPU seen: the CPU will compute'}")


def examine_gsplat() -> Iterator[Finding]:
    """Look whether an NVIDIA GPU lacks the package that draws splats on it."""
    if shutil.which("nvidia-smi") is not None and importlib.util.find_spec("gsplat") is None:
        text = "not installed, though there is an NVIDIA GPU: without it splats cannot be drawn there"
        yield Finding("gsplat", "warning", text, "python -m pip install gsplat ninja")


def gpu_name() -> str:
    """Return what the NVIDIA driver calls its GPUs, or nothing."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return "Apple GPU" if sys.platform == "darwin" and platform.machine() == "arm64" else ""
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        found = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - no input
    except (OSError, subprocess.SubprocessError):
        return ""
    return "; ".join(found.stdout.split("\n")).strip("; ")


def examine_settings() -> Iterator[Finding]:
    """Look at the settings, the sockets that they ask for, and the keys."""
    try:
        settings = load_settings()
        yield examine_zmq(settings)
        yield examine_keys(settings)
    except ProtocolError as error:
        yield Finding("settings", "problem", error.message, error.remedy)


def examine_keys(settings: ServerSettings) -> Finding:
    """Look who may enter from other machines, and whether the address that is set needs that."""
    found = authorized_keys(settings.config_folder)
    check_address(settings.client_address, has_keys=any(key.role != "worker" for key in found))
    listed = ", ".join(f"{key.name} ({key.role})" for key in found)
    return Finding("keys", "ok", f"authorised: {listed}" if listed else "none: only this user can reach the server")


def examine_zmq(settings: ServerSettings) -> Finding:
    """Look whether connections can be local and encrypted."""
    text = f"pyzmq {version('pyzmq')}, libzmq {zmq.zmq_version()}"
    if not zmq.has("curve"):
        return Finding("zmq", "problem", f"{text} without CURVE", "install pyzmq from its official wheels")
    is_socket = settings.client_address.startswith("ipc:")
    where = "a Unix socket" if is_socket else f"{settings.client_address}, encrypted"
    return Finding("zmq", "ok", f"{text} with CURVE; the server will use {where}")


def examine_space() -> Finding:
    """Look whether jobs have room."""
    folder = existing_parent(data_folder())
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free for jobs in {data_folder()}"
    if not os.access(folder, os.W_OK):
        return Finding(
            "disk", "problem", f"{folder} cannot be written", "check its permissions, or set LIMBECK_DATA_DIR"
        )
    if free < MIN_FREE_BYTES:
        return Finding("disk", "warning", text, "free some space")
    return Finding("disk", "ok", text)


def examine_numba_cache() -> Finding:
    """Look where compiled kernels can be kept: numba tries these places in this order."""
    beside_source = Path(limbeck.__file__).parent / "assets" / "__pycache__"
    user_cache = platformdirs.user_cache_path("numba", appauthor=False)
    places = [Path(os.environ.get("NUMBA_CACHE_DIR") or beside_source), beside_source, user_cache]
    writable = [place for place in places if os.access(existing_parent(place), os.W_OK)]
    if writable:
        return Finding("numba cache", "ok", f"compiled kernels are kept in {writable[0]}")
    remedy = "set NUMBA_CACHE_DIR to a folder that can be written"
    return Finding("numba cache", "warning", "cannot be written: every start will compile for a while", remedy)


def examine_server() -> Iterator[Finding]:
    """Look for the connection file, and ask the server that it names."""
    try:
        endpoint = read_connection_file(connection_file())
    except FileNotFoundError:
        if os.environ.get("LIMBECK_CONNECTION"):
            error = no_server()
            yield Finding("connection file", "problem", error.message, error.remedy)
        else:
            text = f"none is running ({connection_file()} is not there)"
            yield Finding("server", "note", text, "start one: limbeck serve")
        return
    except ProtocolError as error:
        yield Finding("connection file", "problem", error.message, error.remedy)
        return
    if is_elsewhere(endpoint):
        yield Finding("connection file", "ok", f"{connection_file()} names {endpoint.address}")
        yield ask_server()
        return
    if not is_alive(endpoint):
        remedy = "limbeck serve replaces it"
        yield Finding("connection file", "warning", f"left behind by process {endpoint.pid}, which is gone", remedy)
        return
    yield Finding("connection file", "ok", f"{connection_file()} names {endpoint.address}, process {endpoint.pid}")
    yield ask_server()


def ask_server() -> Finding:
    """Say hello to the server."""
    try:
        with closing(blocking.connect(f"limbeck-doctor {__version__}", "limbeck-doctor", timeout_s=5.0)) as client:
            theirs = client.server.version if client.server else ""
    except ProtocolError as error:
        return Finding("server", "problem", error.message, error.remedy)
    if theirs != __version__:
        remedy = "restart the server after an update: limbeck serve"
        return Finding("server", "warning", f"answers, but is version {theirs} while this is {__version__}", remedy)
    return Finding("server", "ok", f"answers, version {theirs}")


def existing_parent(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
