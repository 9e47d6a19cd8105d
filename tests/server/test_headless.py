# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The client for scripts: the code of docs/headless.md runs, and what goes wrong arrives as an error."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from limbeck_protocol import aio, headless
from limbeck_protocol.client import JobChanged, JobProgress, PreviewMesh
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from server.harness import RunningServer
from server.synthetic_engine import DEFAULT_STEPS, asset_content, trace
from server.test_commands import use

PAGE = Path(__file__).parents[2] / "docs" / "headless.md"
SAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def here(server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make scripts find the server, and work in an empty folder."""
    use(server.place, monkeypatch)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(len(SAMPLES)))
def test_the_code_of_the_page_runs(here: Path, server: RunningServer, number: int) -> None:
    command, environment = [sys.executable, "-W", "error", "-c", SAMPLES[number]], os.environ | server.place.environment
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert (
        sorted(path.name for path in here.iterdir())
        == ([["penguin.glb"], ["a_fox.glb", "a_penguin.glb"], ["blue.ply"], ["fork.glb"]][number])
    )


def test_the_first_sample_has_ten_lines() -> None:
    assert len([line for line in SAMPLES[0].splitlines() if line.strip()]) <= 10


def test_a_stream_ends_with_the_job(here: Path) -> None:
    with headless.connect("stream") as server:
        job = server.submit(JobSpec("a penguin", seed=3))
        news = list(job.stream())
        assert isinstance(news[-1], JobChanged)
        assert (news[-1].state, news[-1].steps) == ("succeeded", DEFAULT_STEPS)
        assert {JobProgress, PreviewMesh} <= {type(one) for one in news}
        saved = server.job(job.id).save(here / "a.glb")
        assert saved.read_bytes() == asset_content(JobSpec("a penguin", seed=3))
        assert list(here.iterdir()) == [saved]


def test_the_steps_of_a_job_are_seen_and_forked_from(here: Path) -> None:
    with headless.connect("steps") as server:
        job = server.submit(JobSpec("trace", recipe="gsd", steps=16))
        job.wait()
        lines = job.checkpoints()
        assert [line.step for line in lines] == list(range(2, 17, 2))
        assert len(job.mesh(4).faces) == lines[1].faces > 0
        with pytest.raises(ProtocolError, match="E_NOT_FOUND"):
            job.mesh(9)
        fork = job.fork({"steps": 20}, step=6)
        fork.wait()
        assert fork.save(here / "fork.glb").read_bytes() == trace(0, 20)
        assert server.estimate("gsd", steps=16).from_jobs == 1


def test_the_same_with_asyncio(here: Path) -> None:
    async def look() -> None:
        async with aio.connect("steps-aio") as server:
            job = await server.submit(JobSpec("trace", recipe="modedreamer", steps=16))
            await job.wait()
            assert [line.step for line in await job.checkpoints()] == list(range(2, 17, 2))
            assert (await job.mesh(8)).edges is not None
            with pytest.raises(ProtocolError, match="E_NOT_FOUND"):
                await job.mesh(9)
            fork = await job.fork(step=6)
            await fork.wait()
            assert (await fork.save(here / "fork.glb")).read_bytes() == trace(0, 16)
            assert (await server.estimate("modedreamer", steps=16)).from_jobs == 1

    asyncio.run(look())


@pytest.mark.parametrize(("prompt", "code"), [("please fail", "E_DIVERGED"), ("a bug", "E_INTERNAL")])
def test_a_failed_job_raises_its_own_error(here: Path, prompt: str, code: str) -> None:
    with headless.connect("fails") as server:
        job = server.submit(prompt)
        with pytest.raises(ProtocolError) as failure:
            job.wait()
        assert failure.value.code == code
        with pytest.raises(ProtocolError, match="E_NOT_FOUND"):
            job.save(here / "a.glb")
    assert list(here.iterdir()) == []


def test_a_cancelled_job_raises_too(here: Path) -> None:
    with headless.connect("cancels") as server:
        job = server.submit(JobSpec("a penguin", steps=5000))
        job.cancel()
        with pytest.raises(ProtocolError, match="E_CANCELLED"):
            job.wait()
        with pytest.raises(ProtocolError, match="E_NOT_FOUND"):
            server.job("01JD7Q0000ABCDEFGHJKMNPQRS").wait()


def test_whoever_stops_listening_is_told_no_more(here: Path) -> None:
    with headless.connect("leaves") as server:
        job = server.submit(JobSpec("a penguin", steps=30))
        for news in job.stream():
            if isinstance(news, JobProgress):
                break
        assert server.jobs()[0].job == job.id
        assert job.wait().state == "succeeded"


def test_asyncio_runs_jobs_side_by_side_and_raises_their_errors(here: Path) -> None:
    async def drive() -> list[object]:
        async with aio.connect("aio") as server:
            good, bad = await server.submit("a penguin"), await server.submit("please fail")
            ends = await asyncio.gather(good.wait(), bad.wait(), return_exceptions=True)
            await good.save(here / "a.glb")
            assert {line.job for line in await server.jobs()} >= {good.id, bad.id}
            slow = await server.submit(JobSpec("a penguin", steps=5000))
            await slow.cancel()
            refused = await asyncio.gather(server.submit(JobSpec("a", recipe="nonsense")), return_exceptions=True)
            return [*ends, *refused]

    good, bad, refused = asyncio.run(drive())
    assert isinstance(good, JobChanged)
    assert isinstance(bad, ProtocolError)
    assert isinstance(refused, ProtocolError)
    assert (bad.code, refused.code) == ("E_DIVERGED", "E_RECIPE_UNKNOWN")
    assert (here / "a.glb").stat().st_size > 0


def test_no_server_is_an_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(ProtocolError, match="E_NO_SERVER"):
        headless.connect()

    async def enter() -> None:
        async with aio.connect():
            pass

    with pytest.raises(ProtocolError, match="E_NO_SERVER"):
        asyncio.run(enter())
