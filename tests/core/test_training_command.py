# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m limbeck.training`` and ``python -m limbeck.evaluation`` refuse, before any work, what they cannot do."""

import sys

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.evaluation import __main__ as evaluation
from limbeck.training import __main__ as training
from limbeck.training import (
    decoder,
    evaluators,
    image_prompt,
    multi_view,
    novel_view,
    pair_classifier,
    structure,
    text_to_image,
)
from limbeck.training.options import TrainingOptions


@pytest.fixture
def calls(monkeypatch):
    """The options that trainings are called with, which then do nothing."""
    seen = []
    for module in (text_to_image, evaluators):
        monkeypatch.setattr(module, "run", seen.append)
    return seen


@pytest.mark.parametrize(
    "option", [("--steps", "0"), ("--steps", "-1"), ("--things", "0"), ("--threads", "0"), ("--seed", "-1")]
)
@pytest.mark.parametrize("command", [training.main, evaluation.main])
def test_numbers_out_of_range_are_refused(tmp_path, capsys, calls, option, command):
    name = "text-to-image"
    out = ["--out", str(tmp_path)] if command is training.main else []
    with pytest.raises(SystemExit) as ended:
        command([name, *out, *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err
    assert calls == []


def test_options_refuse_no_steps_and_no_things(tmp_path):
    for change in ({"steps": 0}, {"things": -1}):
        with pytest.raises(ValueError, match="at least one"):
            TrainingOptions(tmp_path, **change)


@pytest.mark.parametrize(
    ("name", "option"),
    [("evaluators", "--start"), ("family", "--start"), ("embed", "--things"), ("embed", "--steps")],
)
def test_a_training_refuses_what_it_does_not_use(tmp_path, capsys, calls, name, option):
    assert training.main([name, "--out", str(tmp_path), option, "3"]) == 2
    assert "E_USAGE" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(
    ("name", "option"), [("renders", "--sheet"), ("structure", "--sheet"), ("text-to-image", "--cache")]
)
def test_a_measurement_refuses_what_it_does_not_use(tmp_path, capsys, name, option):
    assert evaluation.main([name, option, str(tmp_path / "place.png")]) == 2
    assert "E_USAGE" in capsys.readouterr().err


def test_a_sheet_that_cannot_be_written_is_refused_before_drawing(tmp_path, capsys):
    assert evaluation.main(["text-to-image", "--sheet", str(tmp_path / "none" / "sheet.png")]) == 2
    assert "E_OUTPUT_UNWRITABLE" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for a GPU where there is none")
@pytest.mark.parametrize("command", [training.main, evaluation.main])
def test_a_missing_gpu_is_a_typed_error(tmp_path, capsys, calls, command):
    out = ["--out", str(tmp_path)] if command is training.main else []
    assert command(["text-to-image", *out, "--device", "cuda"]) == 2
    assert "E_DEVICE" in capsys.readouterr().err
    assert calls == []


@pytest.mark.parametrize(("code", "status"), [("E_TRAINING_DIVERGED", 5), ("E_DISK_FULL", 4), ("E_USAGE", 2)])
def test_the_exit_status_tells_what_failed(tmp_path, monkeypatch, code, status):
    def fail(options):
        raise LimbeckError(code, "message", "remedy")

    monkeypatch.setattr(text_to_image, "run", fail)
    assert training.main(["text-to-image", "--out", str(tmp_path)]) == status


TRAININGS = [
    text_to_image.run,
    text_to_image.run_unbiased,
    text_to_image.run_camera,
    multi_view.run,
    decoder.run,
    evaluators.run,
    image_prompt.run,
    novel_view.run,
    structure.run,
    pair_classifier.run,
]


@pytest.mark.parametrize("train", TRAININGS, ids=lambda train: f"{train.__module__}.{train.__name__}")
def test_a_folder_that_cannot_be_written_is_refused_before_rendering(tmp_path, monkeypatch, train):
    (tmp_path / "file").write_bytes(b"")
    module = sys.modules[train.__module__]
    for name in ("open_pool", "build_views"):
        monkeypatch.setattr(module, name, None, raising=False)
    with pytest.raises(LimbeckError) as refused:
        train(TrainingOptions(tmp_path / "file", steps=1, things=2))
    assert refused.value.code == "E_OUTPUT_UNWRITABLE"
