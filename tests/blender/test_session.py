# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The extension's session against a real server, with a scene that only writes down what it is told: no Blender."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from blender.addon import module
from blender.synthetic_engine import SERVE
from blender.test_in_blender import blender_environment
from limbeck_protocol import blocking
from limbeck_protocol.connection import discover
from limbeck_protocol.events import Submitted
from limbeck_protocol.job import JobSpec

link = module("link")
session_module = module("session")
job_module = module("job")
ORIGIN = module("placement").at((0.0, 0.0, 0.0))
server_process = module("server_process")


class NotedScene:
    """A scene that takes effects only while `is_free`."""

    def __init__(self) -> None:
        self.is_free = True
        self.previews: list[int] = []
        self.assets: list[Path] = []
        self.ended: list[bool] = []
        self.redraws = 0

    def show_preview(self, job: Any, mesh: Any) -> bool:
        self.previews += [len(mesh.vertices)] if self.is_free else []
        return self.is_free

    def import_asset(self, job: Any, file: Path) -> bool:
        self.assets += [file] if self.is_free else []
        return self.is_free

    def end_preview(self, job: Any, *, keep: bool) -> bool:
        self.ended.append(keep)
        return True

    def known_jobs(self) -> list[Any]:
        return []

    def redraw(self) -> None:
        self.redraws += 1


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    environment = blender_environment(tmp_path)
    monkeypatch.setenv("LIMBECK_RUNTIME_DIR", environment["LIMBECK_RUNTIME_DIR"])
    process = subprocess.Popen(SERVE, env=environment)
    wait_until(lambda: discover() is not None)
    yield
    process.terminate()
    process.wait(timeout=10)


@pytest.fixture
def scene() -> NotedScene:
    return NotedScene()


@pytest.fixture
def session(scene: NotedScene, tmp_path: Path) -> Iterator[Any]:
    process = server_process.ServerProcess(tmp_path / "log")
    opened = session_module.Session(scene, link.Link(link.Settings, process), tmp_path)
    yield opened
    opened.close()


def wait_until(is_so: Callable[[], bool], between: Callable[[], object] = lambda: None) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        between()
        time.sleep(0.01)


@pytest.mark.usefixtures("server")
def test_submission_leads_to_previews_and_then_the_asset(session: Any, scene: NotedScene) -> None:
    session.submit(JobSpec("a bird"), ORIGIN)
    wait_until(lambda: session.job is None, session.pump)
    assert session.problem is None
    assert len(set(scene.previews)) >= 2
    assert scene.assets[0].read_bytes()[:4] == b"glTF"


@pytest.mark.usefixtures("server")
def test_busy_scene_gets_the_asset_once_it_is_free(session: Any, scene: NotedScene) -> None:
    scene.is_free = False
    session.submit(JobSpec("a bird"), ORIGIN)
    wait_until(lambda: session.job.phase == "importing", session.pump)
    session.pump()
    assert not scene.assets
    scene.is_free = True
    session.pump()
    assert len(scene.assets) == 1
    assert not scene.previews, "the asset makes a preview pointless"


@pytest.mark.usefixtures("server")
def test_cancelling_before_the_server_knows_the_job_cancels_it(session: Any, scene: NotedScene) -> None:
    session.submit(JobSpec("a bird", steps=400), ORIGIN)
    session.cancel()
    assert session.job is None
    wait_until(lambda: session.link.is_ready, session.pump)
    session.submit(JobSpec("a bird", steps=400), ORIGIN)
    session.pump()
    session.cancel()
    wait_until(lambda: session.job is None, session.pump)
    assert scene.ended[-1] is False, "a cancelled job's mesh is not kept"


@pytest.mark.usefixtures("server")
def test_a_job_that_is_paused_elsewhere_is_shown_so_and_comes_to_its_end(session: Any, scene: NotedScene) -> None:
    session.submit(JobSpec("a bird", steps=12), ORIGIN)
    wait_until(lambda: session.job.step > 1, session.pump)
    with closing(blocking.connect("test", "other")) as other:
        other.pause(session.job.id)
        wait_until(lambda: session.job.phase == "paused", lambda: (other.pump(), session.pump()))
        assert session.job.progress_text == "Paused on the server"
        other.resume(session.job.id)
        wait_until(lambda: session.job is None, lambda: (other.pump(), session.pump()))
    assert session.problem is None
    assert len(scene.assets) == 1


@pytest.mark.usefixtures("server")
def test_pumping_stays_within_its_budget(session: Any) -> None:
    session.submit(JobSpec("a bird"), ORIGIN)
    longest_s = 0.0
    while session.job is not None:
        start = time.thread_time()
        session.pump()
        longest_s = max(longest_s, time.thread_time() - start)
        time.sleep(0.01)
    assert longest_s < 0.05, "of this thread's own time; 4 ms are asked for, one message may exceed it"


@pytest.mark.parametrize("job_id", ["../../escape", "", "a" * 26, "/tmp/x"])
def test_job_id_of_a_file_that_is_none_is_not_followed(session: Any, job_id: str) -> None:
    session.follow(job_module.FollowedJob("a bird", 0, "limbeck", ORIGIN, id=job_id))
    assert session.job is None
    assert session.problem.remedy


@pytest.mark.usefixtures("server")
def test_job_id_of_a_server_that_is_none_is_not_followed(session: Any, scene: NotedScene) -> None:
    wait_until(lambda: session.link.is_ready, session.pump)
    session.submit(JobSpec("a bird"), ORIGIN)
    session.pump()
    (following,) = session._followed
    (request,) = following._requests
    session._handle(Submitted(request, "../../escape"), session.link.client)
    assert session.job is None
    assert "job id" in session.problem.message


def test_quiet_session_asks_to_be_called_rarely_and_does_not_redraw(
    session: Any, scene: NotedScene, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LIMBECK_RUNTIME_DIR", str(tmp_path / "nothing"))
    assert session.pump() == 1.0
    redraws = scene.redraws
    for _ in range(10):
        session.pump()
    assert scene.redraws == redraws
