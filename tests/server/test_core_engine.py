# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The real engine with a tiny recipe: cut short and resumed from a file, finished early, with models that stay warm."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

import limbeck.models
from limbeck.errors import LimbeckError
from limbeck_protocol.job import JobSpec
from limbeck_server.checkpoints import first_whole, write_checkpoint
from limbeck_server.core_engine import core_engine
from limbeck_server.engine import Controls, EngineCheckpoint, EngineFinished, EnginePreview, EngineProgress
from limbeck_server.plan import plan
from limbeck_server.worker_messages import ResumeFile

JOB = JobSpec(
    "a red mug",
    overrides={"references.sampler.steps": 2, "gaussians.count": 300},
    steps=4,
    faces=1000,
    texture_size=0,
    device="cpu",
)


def run(folder: Path, controls: Controls | None = None, job: JobSpec = JOB) -> list[Any]:
    folder.mkdir()
    return list(core_engine(job, folder, controls or Controls()))


def asset(events: list[Any]) -> bytes:
    assert isinstance(events[-1], EngineFinished)
    return events[-1].file.read_bytes()


def losses(events: list[Any], after: int) -> list[str]:
    steps = [e for e in events if isinstance(e, EngineProgress) and e.stage == "optimising" and e.step > after]
    return [f"{event.step} {event.message}" for event in steps]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Run the job without interruption."""
    return run(tmp_path_factory.mktemp("whole") / "a")


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    """Give what an engine keeps from job to job of a worker."""
    return {}


@pytest.fixture(scope="module")
def resume(tmp_path_factory: pytest.TempPathFactory, kept: dict[str, Any]) -> ResumeFile:
    """Run the job until its second step's checkpoint is written, and no further."""
    folder = tmp_path_factory.mktemp("cut")
    controls = Controls(wants_checkpoint=lambda step, _steps: step == 2, kept=kept)
    with closing(core_engine(JOB, folder, controls)) as events:
        checkpoint = next(event for event in events if isinstance(event, EngineCheckpoint))
        written = write_checkpoint(folder, checkpoint, {"spec_hash": "abc"})
    beside = json.loads((folder / "checkpoint-2.json").read_text())
    assert (beside["step"], beside["spec_hash"], beside["sha256"]) == (2, "abc", written.sha256)
    assert {"schema", "torch", "limbeck", "size_bytes"} <= set(beside)
    return ResumeFile(str(folder / written.file), written.sha256, 2)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the models that are loaded."""
    roles: list[str] = []
    load = limbeck.models.load_prior

    def noted(source: str, role: str, device: Any) -> Any:
        roles.append(role)
        return load(source, role, device)

    monkeypatch.setattr(limbeck.models, "load_prior", noted)
    return roles


def test_a_resumed_job_ends_with_the_same_losses_and_bytes_as_an_uninterrupted_one(
    whole: list[Any], resume: ResumeFile, kept: dict[str, Any], loads: list[str], tmp_path: Path
) -> None:
    assert first_whole([resume]) == (resume, [])
    resumed = run(tmp_path / "a", Controls(resume=Path(resume.path), kept=kept))
    assert losses(resumed, after=2) == losses(whole, after=2)
    assert [line.split()[0] for line in losses(resumed, after=0)] == ["2", "3", "4"]
    assert asset(resumed) == asset(whole)
    assert loads == [], "the models of the job before are warm, and it is all the same to the result"


def test_milestones_with_their_meshes_change_no_byte_of_the_result(
    whole: list[Any], kept: dict[str, Any], tmp_path: Path
) -> None:
    wanted = Controls(kept=kept, wants_checkpoint=lambda _a, _b: True, wants_preview=lambda step, _steps: step > 1)
    events = run(tmp_path / "a", wanted)
    assert asset(events) == asset(whole)
    kinds = [type(event).__name__ for event in events if isinstance(event, (EnginePreview, EngineCheckpoint))]
    assert kinds[-2:] == ["EnginePreview", "EngineCheckpoint"], "the mesh of a step comes before its checkpoint"
    checkpoints = [event.step for event in events if isinstance(event, EngineCheckpoint)]
    assert checkpoints == [1, 2, 3, 4]
    assert {2, 3, 4} <= {event.step for event in events if isinstance(event, EnginePreview)}
    summary = events[-1].summary
    assert 0 < summary["optimising_seconds"] < summary["seconds"]
    assert summary["device"] == "cpu"


def test_a_preview_that_is_wanted_comes_where_none_was_due(
    kept: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limbeck_server.core_engine.plan", lambda job: replace(plan(job), previews=0))
    folder = tmp_path / "a"
    folder.mkdir()
    controls = Controls(kept=kept, wants_preview=lambda step, _steps: step == 3)
    with closing(core_engine(JOB, folder, controls)) as events:
        shown = next(event for event in events if isinstance(event, EnginePreview))
    assert shown.step == 3


def test_a_job_that_is_finished_early_has_an_asset_that_says_so(tmp_path: Path, loads: list[str]) -> None:
    events = run(tmp_path / "a", Controls(wants_finish=lambda: True))
    assert [line.split()[0] for line in losses(events, after=0)] == ["1"]
    assert b'"stopped_at_step":1' in asset(events).replace(b" ", b"")
    assert sorted(loads) == ["multi_view", "text_to_image"]


def test_a_checkpoint_of_other_parameters_is_refused(resume: ResumeFile, kept: dict[str, Any], tmp_path: Path) -> None:
    other = replace(JOB, overrides={**JOB.overrides, "representation": "field"})
    with pytest.raises(LimbeckError) as refused:
        run(tmp_path / "a", Controls(resume=Path(resume.path), kept=kept), other)
    assert refused.value.code == "E_CHECKPOINT_MISMATCH"
    path = tmp_path / "other.safetensors"
    save_file({}, path)
    with pytest.raises(LimbeckError) as refused:
        run(tmp_path / "b", Controls(resume=path))
    assert refused.value.code == "E_CHECKPOINT_DAMAGED"
