# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the scenarios with a windowed Blender share: its root file system, a home with the extension, a server."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from blender.gui.desk import Blender, Desk, home_variables
from blender.gui.roots import NoRootError, find_root, suites
from blender.synthetic_engine import SERVE
from blender.test_build_extension import build_extension, is_index_reachable
from blender.test_in_blender import blender_environment

ANY_BLENDER = build_extension.Target("4.2.0", "", "3.13")
"""Debian's Blenders have another Python than blender.org's, so that all of them need the wheel for the stable ABI."""


@pytest.fixture(scope="session", params=suites())
def root(request: pytest.FixtureRequest) -> Path:
    try:
        return find_root(request.param)
    except NoRootError as error:
        pytest.skip(f"no windowed Blender: {error}")


@pytest.fixture(scope="session")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the extension's zip, built from this checkout."""
    try:
        return build_extension.build(tmp_path_factory.mktemp("zip"), ("linux-x64",), None, (ANY_BLENDER,))[0]
    except build_extension.BuildError as error:
        if error.code == "E_WHEEL_FETCH" and not is_index_reachable():
            pytest.skip(f"needs a network or pip's own mirror, to fetch pyzmq: {error.message}")
        raise


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return blender_environment(tmp_path)


@pytest.fixture
def desk(root: Path, tmp_path: Path, environment: dict[str, str]) -> Iterator[Desk]:
    """Yield a virtual screen, whose folder is the test's own."""
    opened = Desk(root, tmp_path, environment)
    yield opened
    opened.close()


@pytest.fixture
def start_blender(desk: Desk, zip_file: Path) -> Callable[..., Blender]:
    """Return a function that starts a Blender with the extension installed from its zip, each in a home of its own.

    Its arguments are Blender's; `home` is the home of a Blender that ran before.
    """
    shutil.copy(zip_file, desk.folder / "limbeck.zip")

    def start(*options: str, home: Path | None = None) -> Blender:
        if home is None:
            home = new_home(desk)
            install = ["extension", "install-file", "-r", "user_default", "--enable", str(desk.folder / "limbeck.zip")]
            desk.run("blender", "--command", *install, timeout_s=90, **home_variables(home))
        return Blender(desk, home, *options)

    return start


@pytest.fixture
def blender(start_blender: Callable[..., Blender], server: "Server") -> Blender:
    """Return a Blender that shows the tab in an empty scene, connected to a server with the synthetic engine."""
    started = start_blender()
    started.call("screen.empty_scene")
    started.call("screen.open_sidebar")
    started.until("job.is_ready")
    return started


@pytest.fixture
def open_blender(start_blender: Callable[..., Blender]) -> Callable[..., Blender]:
    """Return a function that starts a Blender with the tab and some of its panels open, in an empty scene."""

    def start(*panels: str) -> Blender:
        blender = start_blender()
        blender.call("screen.empty_scene")
        blender.call("screen.open_panels", names=list(panels))
        blender.call("screen.open_sidebar")
        blender.until("job.is_ready")
        return blender

    return start


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator["Server"]:
    running = Server(environment)
    running.start()
    yield running
    running.stop()


@dataclass
class Server:
    """A server of the test's own, that may be killed and started again."""

    environment: dict[str, str]
    command: tuple[str, ...] = SERVE
    _process: "subprocess.Popen[bytes] | None" = field(default=None)

    def start(self, *options: str) -> None:
        self._process = subprocess.Popen([*self.command, *options], env=self.environment)
        deadline = time.monotonic() + 30
        file = Path(self.environment["LIMBECK_RUNTIME_DIR"]) / "connection.json"
        while not (file.exists() and f'"pid": {self._process.pid}' in file.read_text()):
            assert time.monotonic() < deadline, "the server did not start"
            assert self._process.poll() is None, f"the server ended with {self._process.returncode}"
            time.sleep(0.05)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)


def new_home(desk: Desk) -> Path:
    home = desk.folder / f"home-{len(list(desk.folder.glob('home-*')))}"
    home.mkdir()
    return home
