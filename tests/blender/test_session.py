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


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Any]:
    """Yield another Blender's session, with a scene of its own."""
    process = server_process.ServerProcess(tmp_path / "second-log")
    (tmp_path / "second").mkdir()
    opened = session_module.Session(NotedScene(), link.Link(link.Settings, process), tmp_path / "second")
    yield opened
    opened.close()


@pytest.mark.usefixtures("server")
def test_two_blenders_show_the_same_job_and_both_get_its_asset(session: Any, scene: NotedScene, second: Any) -> None:
    session.submit(JobSpec("a bird", steps=24), ORIGIN)

    def pump_both() -> None:
        session.pump()
        second.pump()

    wait_until(lambda: bool(second.other_jobs), pump_both)
    (line,) = second.other_jobs
    second.follow(job_module.FollowedJob(line.prompt, 0, line.recipe, ORIGIN, id=line.job))
    wait_until(lambda: second.selected.phase == session.selected.phase == "running", pump_both)
    wait_until(lambda: session.job is None and second.job is None, pump_both)
    assert scene.previews
    assert second._scene.previews
    assert len(scene.assets) == len(second._scene.assets) == 1


@pytest.mark.usefixtures("server")
def test_previews_come_no_faster_than_wanted(session: Any, scene: NotedScene) -> None:
    session.link._settings = lambda: link.Settings(live_rate_hz=1.0)
    session.submit(JobSpec("a bird", steps=20), ORIGIN)
    start = time.monotonic()
    wait_until(lambda: session.job is None, session.pump)
    assert 1 <= len(scene.previews) <= time.monotonic() - start + 1


@pytest.mark.usefixtures("server")
def test_slow_scene_gets_fewer_previews(session: Any, scene: NotedScene, monkeypatch: pytest.MonkeyPatch) -> None:
    show = scene.show_preview

    def show_slowly(job: Any, mesh: Any) -> bool:
        time.sleep(0.1)
        return show(job, mesh)

    monkeypatch.setattr(scene, "show_preview", show_slowly)
    session.submit(JobSpec("a bird", steps=24), ORIGIN)
    start = time.monotonic()
    wait_until(lambda: session.job is None, session.pump)
    share = 0.1 * len(scene.previews) / (time.monotonic() - start)
    assert share < 0.2, "a tenth is wanted; the first two come before anything is known"


@pytest.mark.usefixtures("server")
def test_job_that_could_not_be_sent_is_tried_again_as_it_was(session: Any) -> None:
    session.submit(JobSpec("a bird", recipe="no-such-recipe"), ORIGIN)
    wait_until(lambda: session.selected.phase == "failed", session.pump)
    session.retry()
    assert len(session.jobs) == 2
    assert session.selected.spec == session.jobs[1].spec
    assert session.selected.key != session.jobs[1].key


@pytest.mark.usefixtures("server")
def test_job_goes_on_over_another_connection(session: Any, scene: NotedScene) -> None:
    session.submit(JobSpec("a bird", steps=24), ORIGIN)
    wait_until(lambda: session.job.step > 2, session.pump)
    session.link.reconnect()
    session.pump()
    wait_until(lambda: session.job is None, session.pump)
    assert session.problem is None
    assert len(scene.assets) == 1


@pytest.mark.usefixtures("server")
def test_retry_whose_connection_was_closed_before_an_answer_says_so(session: Any) -> None:
    session.submit(JobSpec("fail", steps=2), ORIGIN)
    wait_until(lambda: session.selected.phase == "failed", session.pump)
    session.retry()
    session.link.reconnect()
    wait_until(lambda: session.selected.phase == "failed", session.pump)
    assert "connection was lost" in session.selected.problem.message
    assert session.selected.problem.remedy


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
