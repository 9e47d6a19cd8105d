# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A real server process, its worker, and clients, over a Unix socket and over TCP with CURVE."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limbeck_protocol.client import (
    Disconnected,
    Downloaded,
    JobChanged,
    JobProgress,
    JobWarning,
    PreviewMesh,
    RequestFailed,
    Status,
)
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, Reference, blob_of
from server.harness import RunningServer, connected, first, has_ended, kinds, pump_until, run_job, submit
from server.synthetic_engine import asset_content


def test_a_prompt_becomes_progress_previews_and_a_file(server: RunningServer, tmp_path: Path) -> None:
    job = JobSpec("a large warn penguin", seed=3)
    with connected(server) as client:
        job_id, events = run_job(client, job)
        end = events[-1]
        client.fetch(job_id, tmp_path / "penguin.glb")
        downloaded = first(client, Downloaded)
    states = [event.state for event in kinds(events, JobChanged)]
    assert states == ["queued", "starting", "running", "finalizing", "succeeded"]
    assert end.summary["seed"] == 3
    assert end.summary["file"].endswith(f"{job_id}/asset.glb")
    assert [(w.code, w.message) for w in kinds(events, JobWarning)] == [("W_WORDS", "unknown words")]
    assert kinds(events, JobProgress)
    assert len({len(event.mesh.vertices) for event in kinds(events, PreviewMesh)}) >= 2
    assert downloaded.path.read_bytes() == asset_content(job)
    assert [path.name for path in tmp_path.iterdir()] == ["penguin.glb"]


def test_previews_are_whole_and_in_order(server: RunningServer) -> None:
    with connected(server) as client:
        _, events = run_job(client, JobSpec("a penguin", steps=10))
    previews = kinds(events, PreviewMesh)
    assert [p.seq for p in previews] == sorted({p.seq for p in previews})
    for preview in previews:
        assert np.ptp(preview.mesh.vertices[:, 0]) == 2.0
        assert (preview.mesh.colors == 128).all()


def test_large_previews_are_pulled_in_ranges(server: RunningServer) -> None:
    with connected(server) as client:
        _, events = run_job(client, JobSpec("a big penguin", steps=6))
    assert max(len(event.mesh.vertices) for event in kinds(events, PreviewMesh)) == 512 * 512


def test_references_travel_to_the_engine(server: RunningServer, tmp_path: Path) -> None:
    image = np.random.default_rng(0).bytes(2_300_000)
    job = JobSpec("a penguin", references=(Reference(blob_of(image, ".png")),), steps=1)
    with connected(server) as client:
        job_id, _ = run_job(client, job)
        client.fetch(job_id, tmp_path / "a.glb")
        assert first(client, Downloaded).path.read_bytes() == image + asset_content(replace(job, references=()))


def test_a_running_job_is_cancelled(server: RunningServer) -> None:
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin", steps=1000))
        client.watch(job_id)
        first(client, JobProgress)
        client.cancel(job_id)
        assert pump_until(client, lambda event: has_ended(event, job_id), 5.0)[-1].state == "cancelled"
        _, events = run_job(client, JobSpec("the next one"))
        assert events[-1].state == "succeeded"


def test_cancelling_a_waiting_job_leaves_the_running_one_alone(server: RunningServer) -> None:
    with connected(server) as client:
        running, waiting = submit(client, JobSpec("a penguin", steps=8)), submit(client, JobSpec("another"))
        client.watch(running)
        client.cancel(waiting)
        event = pump_until(client, lambda e: isinstance(e, JobChanged) and e.job == waiting)[-1]
        assert event.state == "cancelled"
        assert pump_until(client, lambda e: has_ended(e, running))[-1].state == "succeeded"
        client.cancel(running)
        assert first(client, JobChanged).state == "succeeded"


def test_a_client_that_dies_leaves_its_job_running(server: RunningServer) -> None:
    with connected(server, "mortal") as client:
        job_id = submit(client, JobSpec("a penguin", steps=10))
        client.watch(job_id)
        first(client, PreviewMesh)
    with connected(server, "heir") as client:
        client.watch(job_id)
        assert pump_until(client, lambda event: has_ended(event, job_id))[-1].state == "succeeded"


def test_a_slow_client_sees_only_the_newest_previews(server: RunningServer) -> None:
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin", steps=40))
        client.watch(job_id)
        shown = [first(client, PreviewMesh)]
        for _ in range(2):
            time.sleep(0.5)
            # the preview that was under way when it stopped looking is old; the one after it is not
            shown += [first(client, PreviewMesh), first(client, PreviewMesh)]
        client.cancel(job_id)
        gaps = np.diff([preview.step for preview in shown])
    assert gaps[1] >= 5
    assert gaps[3] >= 5
    assert len(shown) < shown[-1].step


def test_submitting_twice_with_one_key_is_one_job(server: RunningServer) -> None:
    key = new_ulid()
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin"), key)
        assert submit(client, JobSpec("a penguin"), key) == job_id
        client.submit(JobSpec("a seagull"), key)
        assert first(client, RequestFailed).error.code == "E_KEY_CONFLICT"
    with connected(server, "somebody-else") as client:
        assert submit(client, JobSpec("a seagull"), key) != job_id


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("please fail", "E_DIVERGED"),
        ("please full", "E_DISK_FULL"),
        ("please bug", "E_INTERNAL"),
        ("please memory", "E_OUT_OF_MEMORY"),
        ("please crash", "E_WORKER_LOST"),
    ],
)
def test_a_job_that_fails_says_why_and_the_next_one_runs(server: RunningServer, prompt: str, code: str) -> None:
    with connected(server) as client:
        job_id, events = run_job(client, JobSpec(prompt))
        end = events[-1]
        assert (end.state, end.error.code) == ("failed", code)
        assert end.error.message
        assert end.error.remedy
        left = {path.name.partition("-")[0] for path in (server.place.root / "data" / "jobs" / job_id).iterdir()}
        assert "log.txt" in left
        assert left <= {"log.txt", "checkpoint", "mesh"}
        assert run_job(client, JobSpec("the next one", steps=1))[1][-1].state == "succeeded"


@pytest.mark.parametrize("job", [new_ulid(), "../../etc/passwd", "", "A" * 26, "\n"])
def test_an_unknown_job_is_an_error(server: RunningServer, job: str, tmp_path: Path) -> None:
    with connected(server) as client:
        asked = [client.cancel(job), client.watch(job), client.status(job), client.fetch(job, tmp_path / "a.glb")]
        failed = [first(client, RequestFailed) for _ in asked]
    assert {event.error.code for event in failed} == {"E_NOT_FOUND"}
    assert sorted(event.request for event in failed) == sorted(asked)
    assert not list(tmp_path.iterdir())


def test_an_unknown_recipe_is_refused_at_once(server: RunningServer) -> None:
    with connected(server) as client:
        client.submit(JobSpec("a penguin", recipe="cake"))
        assert first(client, RequestFailed).error.code == "E_RECIPE_UNKNOWN"


def test_a_file_that_cannot_be_written_is_an_error(server: RunningServer, tmp_path: Path) -> None:
    with connected(server) as client:
        job_id, _ = run_job(client, JobSpec("a penguin", steps=1))
        client.fetch(job_id, tmp_path / "missing" / "a.glb")
        assert first(client, RequestFailed).error.code == "E_FILE"


def test_a_running_job_has_no_file_yet(server: RunningServer, tmp_path: Path) -> None:
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin", steps=1000))
        client.fetch(job_id, tmp_path / "a.glb")
        assert first(client, RequestFailed).error.code == "E_NOT_FOUND"
        client.cancel(job_id)


def test_status_lists_the_newest_jobs_first(server: RunningServer) -> None:
    with connected(server) as client:
        old, new = submit(client, JobSpec("the old one")), submit(client, JobSpec("the new one"))
        client.status()
        status = first(client, Status)
        assert [line.job for line in status.jobs[:2]] == [new, old]
        assert status.jobs[0].prompt == "the new one"
        assert status.server.epoch == client.server.epoch
        client.status(old)
        assert [line.job for line in first(client, Status).jobs] == [old]


def test_a_client_that_paused_for_long_goes_on(server: RunningServer) -> None:
    with connected(server) as client:
        job_id = submit(client, JobSpec("a penguin", steps=20))
        client.watch(job_id)
        time.sleep(1.5)  # longer than the pause that a client notices
        events = pump_until(client, lambda event: has_ended(event, job_id))
    assert not kinds(events, Disconnected)
    assert events[-1].state == "succeeded"
