# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fixtures that run inside Blender: a fresh file, the enabled extension, a real server with a synthetic engine."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy  # isort: split

import addon_utils  # bpy puts it on the path
import pytest
from mathutils import Vector

from blender.synthetic_engine import SERVE
from limbeck_protocol.connection import discover

MODULE = "bl_ext.user_default.limbeck"
ROOT = Path(__file__).resolve().parents[3]


FREES_TWICE = bpy.app.version < (4, 5, 0)
"""bpy 4.2.0 crashes at exit, whatever the add-on, where a property with a callback came from two copies of a module."""
_status: list[int] = []


def pytest_sessionfinish(exitstatus: int) -> None:
    _status.append(int(exitstatus))


def pytest_unconfigure() -> None:
    """End without the exit that crashes, after everything has been reported."""
    if FREES_TWICE and _status:
        sys.stdout.flush()
        os._exit(_status[-1])


@pytest.fixture(scope="session", autouse=True)
def _installed() -> None:
    extensions = Path(bpy.utils.user_resource("EXTENSIONS", path="user_default", create=True))
    shutil.copytree(ROOT / "blender_addon", extensions / "limbeck", ignore=shutil.ignore_patterns("__pycache__"))


@pytest.fixture
def addon() -> Iterator[Any]:
    """Yield the extension's session module tree, enabled in an empty file."""
    bpy.ops.wm.read_homefile(use_empty=True)
    addon_utils.enable(MODULE, default_set=True)
    yield Addon()
    addon_utils.disable(MODULE, default_set=True)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[None]:
    """Run one server for all tests that leave it as it is."""
    process = start_server()
    yield
    stop_server(process)


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this test's server, if there is one, apart from the shared one."""
    for name in ("RUNTIME", "DATA", "STATE"):
        monkeypatch.setenv(f"LIMBECK_{name}_DIR", str(tmp_path / name))


@pytest.fixture
def own_server(own_folder: None) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Yield a function that starts a server for this test alone, which may kill it."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        started.append(start_server())
        return started[-1]

    yield start
    for process in started:
        stop_server(process)


@pytest.fixture
def ready(addon: Any, shared_server: None) -> Any:
    """Return the extension, connected."""
    addon.pump_until(lambda: addon.session.link.is_ready)
    return addon


def start_server() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(SERVE)
    wait_until(lambda: discover() is not None)
    return process


def stop_server(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.wait(timeout=20)


class Addon:
    """What tests need of the enabled extension."""

    def __init__(self) -> None:
        self.session = self.module("timer").session()
        self.request = bpy.context.scene.limbeck
        self.request.steps = 4

    def module(self, name: str) -> Any:
        return sys.modules[f"{MODULE}.{name}"]

    def pump_until(self, is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Do what the timer does, which never fires in the bpy module."""
        deadline = time.monotonic() + timeout_s
        while not is_so():
            assert time.monotonic() < deadline, f"still {self.session.link.status}, {self.session.job}"
            self.session.pump()
            time.sleep(0.01)

    def generate(self, prompt: str) -> None:
        bpy.context.scene.limbeck.prompt = prompt
        assert bpy.ops.limbeck.generate() == {"FINISHED"}

    def pretend(self, job: Any) -> None:
        """List a job that no server knows."""
        self.session._add(job)

    def live(self) -> Any:
        """Return the live object of the followed job, or None."""
        return self.session.job and self.module("live_mesh").find(self.session.job.id)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def wait_for_live(addon: Any) -> Any:
    addon.pump_until(lambda: addon.live() is not None)
    return addon.live()


def place_of(asset: Any) -> tuple[float, ...]:
    """Return where the middle of the frame is in which an asset was made; its origin is below it, on the ground."""
    return tuple(asset.matrix_world @ -Vector(asset["limbeck_origin"]))


def assets() -> list[Any]:
    return [thing for thing in bpy.data.objects if "prompt" in thing and "limbeck_job" not in thing]
