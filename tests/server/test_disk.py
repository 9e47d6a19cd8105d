# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, at every point where the server or its worker writes, and a folder that became read-only."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from limbeck_protocol.client import (
    Client,
    Connected,
    Downloaded,
    JobChanged,
    JobProgress,
    JobWarning,
    RequestFailed,
    Status,
    Submitted,
)
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.job import JobSpec
from limbeck_server import files, store
from server.harness import first, has_ended, kinds, pump_until, run_job, submit, wait_until
from server.in_process import service
from server.synthetic_engine import trace

FULL = OSError(errno.ENOSPC, "No space left on device")


@contextmanager
def connected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Iterator[Client]:
    with (
        service(tmp_path, monkeypatch, **({"checkpoint_s": 0.1} | changes)) as endpoint,
        closing(Client(endpoint, app="test", client_id="test")) as client,
    ):
        first(client, Connected)
        yield client


def failing(times: int, original: Callable[..., Any], applies: Callable[..., bool]) -> Callable[..., Any]:
    """Return the function, which finds the disk full the first few times that it matters."""
    left = [times]

    def fail(*arguments: Any, **options: Any) -> Any:
        if left[0] > 0 and applies(*arguments):
            left[0] -= 1
            raise FULL
        return original(*arguments, **options)

    return fail


def server_state(client: Client) -> str:
    client.status()
    return first(client, Status).server.state


def test_a_disk_that_became_read_only_is_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(ProtocolError, match="E_FILE"):
        files.write_atomically(tmp_path / "summary.json", b"{}")


def always(*_arguments: Any) -> bool:
    return True


WRITE_POINTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "attempt folder": lambda patch: patch.setattr(
        Path, "mkdir", failing(2, Path.mkdir, lambda folder, *_: folder.name.startswith("attempt-"))
    ),
    "asset rename": lambda patch: patch.setattr(
        Path, "replace", failing(1, Path.replace, lambda _source, target: "asset" in Path(target).name)
    ),
    "folder sync": lambda patch: patch.setattr(store, "sync_folder", failing(1, files.sync_folder, always)),
    "summary": lambda patch: patch.setattr(
        Path, "replace", failing(1, Path.replace, lambda _source, target: Path(target).name == "summary.json")
    ),
}


@pytest.mark.parametrize("point", WRITE_POINTS)
def test_a_job_goes_on_when_there_is_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    with connected(tmp_path, monkeypatch) as client:
        with monkeypatch.context() as patch:
            WRITE_POINTS[point](patch)
            job, events = run_job(client, JobSpec("trace", steps=6))
            end = events[-1]
        assert (end.state, end.error) == ("succeeded", None)
        client.fetch(job, tmp_path / "a.glb")
        assert first(client, Downloaded).path.read_bytes() == trace(0, 6)


def fill(filler: Path) -> None:
    """Write until nothing more can be written."""
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_fills_up_stops_nothing_but_new_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    if os.system(f"mount -t tmpfs -o size=3m,mode=0700 none {data}") != 0:
        pytest.skip("this system does not let tests mount a small disk")
    try:
        with connected(tmp_path, monkeypatch, least_free_bytes=100_000) as client:
            job = submit(client, JobSpec("trace", steps=60, seed=4))
            client.watch(job, previews=False)
            pump_until(client, lambda e: isinstance(e, JobProgress) and e.step >= 4)
            filler = data / "filler"
            fill(filler)
            wait_until(lambda: server_state(client) == "disk_full")
            refused = 0
            for number in range(40):  # small rows still find room in pages that there are
                client.submit(JobSpec("x" * 1000, negative_prompt="y" * 1000, seed=number))
                answer = pump_until(client, lambda e: isinstance(e, (Submitted, RequestFailed)))[-1]
                if isinstance(answer, RequestFailed):
                    assert answer.error.code == "E_DISK_FULL"
                    refused += 1
            assert refused
            filler.unlink()
            events = pump_until(client, lambda e: has_ended(e, job))
            assert events[-1].state == "succeeded"
            assert "E_DISK_FULL" in {event.code for event in kinds(events, JobWarning)}, "told when it could be kept"
            client.fetch(job, tmp_path / "a.glb")
            assert first(client, Downloaded).path.read_bytes() == trace(4, 60)
            assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"
    finally:
        os.system(f"umount {data}")


def test_too_little_room_holds_the_queue_and_refuses_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from limbeck_server.intake import Intake

    caplog.set_level(logging.INFO, "limbeck.server")
    with connected(tmp_path, monkeypatch) as client:
        running, waiting = submit(client, JobSpec("a", steps=1000)), submit(client, JobSpec("b", steps=1), "key-of-b")
        monkeypatch.setattr(Intake, "_free_bytes", lambda _self: 1000)
        client.cancel(running)
        wait_until(lambda: server_state(client) == "disk_full")
        client.status(waiting)
        assert first(client, Status).jobs[0].state == "queued"
        client.submit(JobSpec("one more"))
        refusal = first(client, RequestFailed).error
        assert (refusal.code, refusal.retryable) == ("E_DISK_FULL", True)
        client.retry(running)
        assert first(client, RequestFailed).error.code == "E_DISK_FULL"
        assert submit(client, JobSpec("b", steps=1), "key-of-b") == waiting, "it was taken long ago"
        monkeypatch.undo()
        client.watch(waiting)
        assert pump_until(client, lambda e: has_ended(e, waiting))[-1].state == "succeeded"
    said = [record.getMessage() for record in caplog.records if "disk" in record.getMessage()]
    assert said == ["disk full: no job is taken or started", "disk has room again"]


def test_a_server_without_room_says_so_before_anybody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with connected(tmp_path, monkeypatch, least_free_bytes=1 << 60) as client:
        wait_until(lambda: server_state(client) == "disk_full")
        client.submit(JobSpec("a penguin"))
        assert first(client, RequestFailed).error.code == "E_DISK_FULL"


def test_an_engine_that_finds_the_disk_full_is_tried_again_and_fails_after_three(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(tmp_path, monkeypatch, checkpoint_s=60.0, milestones=0) as client:
        _, events = run_job(client, JobSpec("full"))
        states = [event.state for event in kinds(events, JobChanged)]
        assert states.count("interrupted") == 3
        assert (events[-1].state, events[-1].error.code) == ("failed", "E_DISK_FULL")


@pytest.mark.parametrize("what", ["disk full", "read-only"])
def test_a_store_that_cannot_be_written_refuses_jobs_until_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    code = {"disk full": "E_DISK_FULL", "read-only": "E_FILE"}[what]

    def refuse(*_arguments: Any) -> None:
        raise ProtocolError(code, what, "wait")

    with connected(tmp_path, monkeypatch) as client:
        job = submit(client, JobSpec("trace", steps=12))
        client.watch(job, previews=False)
        pump_until(client, lambda e: isinstance(e, JobProgress) and e.step >= 2)
        with monkeypatch.context() as patch:
            patch.setattr(store.Store, "save", refuse)
            client.submit(JobSpec("another"))
            assert first(client, RequestFailed).error.code == code
            client.pause(job)
            assert first(client, RequestFailed).error.code == code
            wait_until(lambda: server_state(client) == "disk_full")
        events = pump_until(client, lambda e: has_ended(e, job))
        assert events[-1].state == "succeeded", "it ran on meanwhile, and is told when it can be saved"
