# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop on learners small enough to compare bit for bit."""

import errno
import json
import os
import signal

import pytest
import torch
from torch import nn

from limbeck.errors import LimbeckError
from limbeck.training.export import load_averages
from limbeck.training.report import LOSS_WINDOW, TrainingReport, write_card
from limbeck.training.trainer import Learner, TrainingSettings, train
from tiny_learners import Line, SmallUNet

SETTINGS = TrainingSettings(steps=12, batch=4, learning_rate=1e-2, warmup_steps=3, seed=3)


def raising(error):
    def fail():
        raise error

    return fail


def test_a_learner_is_recognised():
    assert isinstance(Line(), Learner)


@pytest.mark.parametrize("make", [Line, SmallUNet])
def test_a_resumed_run_continues_with_bit_equal_losses(tmp_path, make):
    settings = TrainingSettings(steps=6, batch=2, learning_rate=1e-2, warmup_steps=2)
    whole = make()
    train(whole, settings, tmp_path / "whole")
    halves = [make(), make()]

    class Stop:
        at = 3

        def __call__(self, step, loss):
            if step == self.at:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(halves[0], settings, tmp_path / "halves", on_progress=Stop())
    torch.manual_seed(99)  # the global generator must not matter
    report = train(halves[1], settings, tmp_path / "halves")
    assert halves[0].seen + halves[1].seen == whole.seen
    assert (report.steps, report.resumed, report.is_finished) == (6, 1, True)
    pairs = zip(whole.modules.values(), halves[1].modules.values(), strict=True)
    assert all(torch.equal(a, b) for one, two in pairs for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_training_lowers_the_loss_and_leaves_the_global_generator_alone(tmp_path):
    learner = Line()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    settings = TrainingSettings(steps=3 * LOSS_WINDOW, batch=4, learning_rate=1e-2)
    report = train(learner, settings, tmp_path)
    assert torch.rand(1) == expected
    assert report.losses["loss"][-1] < report.losses["loss"][0] / 2
    assert len(report.losses["loss"]) == len(report.losses["rmse"]) == 3
    assert report.losses["loss"][0] == pytest.approx(sum(learner.seen[:LOSS_WINDOW]) / LOSS_WINDOW)


def test_the_average_is_exported_in_eval_mode_and_swapped_back(tmp_path):
    learner = Line()
    train(learner, SETTINGS, tmp_path)
    was_training, exported = learner.exported
    assert not was_training
    assert learner.net.training
    assert not torch.equal(exported, learner.net[0].weight)
    other = Line()
    assert load_averages(other.modules, tmp_path) == SETTINGS.steps
    assert torch.equal(other.net[0].weight, exported)


def test_the_average_follows_the_definition(tmp_path):
    weights = []
    learner = Line()
    first = learner.net[0].weight.detach().clone()
    train(learner, SETTINGS, tmp_path, on_progress=lambda *_: weights.append(learner.net[0].weight.detach().clone()))
    average = first
    for step, weight in enumerate(weights):
        decay = min(SETTINGS.ema_decay, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(learner.exported[1], average)


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train(Line(fail_at=(4, raising(KeyboardInterrupt))), SETTINGS, tmp_path)
    good = (tmp_path / "checkpoint.safetensors").read_bytes()

    def no_room(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", no_room)
        with pytest.raises(LimbeckError) as refused:
            train(Line(), SETTINGS, tmp_path)
    assert refused.value.code == "E_DISK_FULL"
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good
    assert not list(tmp_path.glob(".*.tmp"))
    assert train(Line(), SETTINGS, tmp_path).steps == SETTINGS.steps


def test_a_full_disk_while_exporting_is_typed_and_keeps_the_checkpoint(tmp_path):
    learner = Line()
    learner.export = lambda folder: raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))()
    with pytest.raises(LimbeckError) as refused:
        train(learner, SETTINGS, tmp_path)
    assert refused.value.code == "E_DISK_FULL"
    assert train(Line(), SETTINGS, tmp_path).resumed == 1


def test_a_folder_that_cannot_be_written_is_refused_before_the_first_step(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    learner = Line()
    with pytest.raises(LimbeckError) as refused:
        train(learner, SETTINGS, tmp_path / "file")
    assert refused.value.code == "E_OUTPUT_UNWRITABLE"
    assert learner.seen == []


@pytest.mark.parametrize("change", [{"seed": 4}, {"steps": 13}, {"facts": {"things": 9}}])
def test_a_checkpoint_of_other_settings_is_refused_with_a_remedy(tmp_path, change):
    train(Line(), SETTINGS, tmp_path)
    other = TrainingSettings(**{**{name: getattr(SETTINGS, name) for name in SETTINGS.__dataclass_fields__}, **change})
    with pytest.raises(LimbeckError) as refused:
        train(Line(), other, tmp_path)
    assert refused.value.code == "E_CHECKPOINT_MISMATCH"
    assert next(iter(change)) in refused.value.message
    assert refused.value.remedy


def test_a_checkpoint_of_other_modules_is_refused(tmp_path):
    train(Line(), SETTINGS, tmp_path)
    with pytest.raises(LimbeckError) as refused:
        train(SmallUNet(), SETTINGS, tmp_path)
    assert refused.value.code == "E_CHECKPOINT_MISMATCH"


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_checkpoint_is_a_typed_error(tmp_path, share):
    train(Line(), SETTINGS, tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(LimbeckError) as refused:
        train(Line(), SETTINGS, tmp_path)
    assert refused.value.code == "E_CHECKPOINT_DAMAGED"


def test_an_infinite_loss_is_a_typed_error_and_is_not_saved(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(Line(fail_at=(4, raising(KeyboardInterrupt))), SETTINGS, tmp_path)
    good = (tmp_path / "checkpoint.safetensors").read_bytes()
    learner = Line()
    learner.loss = lambda step: (learner.net.get_parameter("0.weight").sum() * torch.nan, {})
    with pytest.raises(LimbeckError) as refused:
        train(learner, SETTINGS, tmp_path)
    assert refused.value.code == "E_TRAINING_DIVERGED"
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == good


class Undefined(torch.autograd.Function):
    """A loss of 0 whose slope is not a number."""

    @staticmethod
    def forward(ctx, x):
        return x.sum() * 0

    @staticmethod
    def backward(ctx, grad):
        return torch.full((8, 3), torch.nan)


def test_an_undefined_gradient_is_a_typed_error_and_spoils_no_weight(tmp_path):
    learner = Line()
    before = [parameter.detach().clone() for parameter in learner.net.parameters()]
    learner.loss = lambda step: (Undefined.apply(learner.net.get_parameter("0.weight")), {})
    with pytest.raises(LimbeckError) as refused:
        train(learner, SETTINGS, tmp_path)
    assert refused.value.code == "E_TRAINING_DIVERGED"
    assert "gradient" in refused.value.message
    assert all(torch.equal(a, b) for a, b in zip(before, learner.net.parameters(), strict=True))
    assert not (tmp_path / "checkpoint.safetensors").exists()


def test_figures_of_some_steps_are_averaged_over_those_steps_also_after_a_resume(tmp_path):
    def sparse(step):
        loss, _ = Line.loss(learner, step)
        return loss, {"seldom": 7.0} if step % 10 == 0 else {}

    def stop(step, loss):
        if step == 55:
            raise KeyboardInterrupt

    settings = TrainingSettings(steps=LOSS_WINDOW, batch=4, learning_rate=1e-2)
    learner = Line()
    learner.loss = sparse
    with pytest.raises(KeyboardInterrupt):
        train(learner, settings, tmp_path, on_progress=stop)
    assert train(learner, settings, tmp_path).losses["seldom"] == (7.0,)


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot send itself an interrupt")
def test_an_interrupt_ends_the_step_and_saves(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    learner = Line(fail_at=(5, lambda: os.kill(os.getpid(), signal.SIGINT)))
    with pytest.raises(KeyboardInterrupt):
        train(learner, SETTINGS, tmp_path)
    assert json.loads((tmp_path / "checkpoint.json").read_text())["step"] == 6
    assert signal.getsignal(signal.SIGINT) is before
    assert not (tmp_path / "weights").exists()


def test_no_time_means_no_step_but_an_export(tmp_path):
    report = train(Line(), SETTINGS, tmp_path, until_seconds=0)
    assert report.steps == 0
    assert not report.is_finished
    assert (tmp_path / "weights").exists()


def test_a_prefix_scales_the_learning_rate_of_its_parameters(tmp_path):
    def moved(**changes):
        learner = Line()
        start = [parameter.detach().clone() for parameter in learner.net.parameters()]
        settings = TrainingSettings(steps=1, batch=4, learning_rate=1e-3, weight_decay=0, warmup_steps=1, **changes)
        train(learner, settings, tmp_path / str(len(changes)))
        return [(a - b).abs().max().item() for a, b in zip(learner.net.parameters(), start, strict=True)]

    plain, scaled = moved(), moved(learning_rates={"net.2": 5.0, "net": 1.0})
    assert scaled[0] == pytest.approx(plain[0], rel=1e-3)
    assert scaled[2] == pytest.approx(5 * plain[2], rel=1e-3)


def test_a_prefix_that_fits_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="nett"):
        train(Line(), TrainingSettings(steps=1, batch=1, learning_rate=1.0, learning_rates={"nett": 5.0}), tmp_path)


def test_a_batch_norm_is_refused(tmp_path):
    learner = Line()
    learner.net = nn.Sequential(nn.Linear(3, 1), nn.BatchNorm1d(1))
    with pytest.raises(ValueError, match="batch norm"):
        train(learner, SETTINGS, tmp_path)


def test_a_card_tells_programs_and_people(tmp_path):
    report = TrainingReport(100, 200, {"loss": (0.5,)}, 9.0, 12.0, 1)
    (tmp_path / "sheet.png").write_bytes(b"picture")
    out = tmp_path / "out"
    out.mkdir()
    write_card(out, "a prior", report, {"things": 5, "front_share": 0.6}, tmp_path / "sheet.png")
    card = json.loads((out / "card.json").read_text())
    assert card["facts"] == {"things": 5, "front_share": 0.6}
    assert card["training"]["losses"] == {"loss": [0.5]}
    readme = (out / "README.md").read_text()
    assert "100 of 200" in readme
    assert "sheet.png" in readme
    assert (out / "sheet.png").read_bytes() == b"picture"
