# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One loop for every learner: AdamW, averaged weights, checkpoints, and a resume that repeats the run bit for bit."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from tqdm import tqdm

from limbeck.errors import LimbeckError
from limbeck.training.checkpoints import load_checkpoint, require_same, save_checkpoint
from limbeck.training.disk import require_writable_folder
from limbeck.training.export import export_averaged
from limbeck.training.interrupts import deferred_interrupt
from limbeck.training.report import TrainingReport
from limbeck.training.state import TrainingState, parameter_groups, trainable_parameters

OnProgress = Callable[[int, float], None]
"""Called after every step with the steps taken and the loss."""


@dataclass(frozen=True)
class TrainingSettings:
    """How to optimise.

    Attributes:
        steps, batch: optimiser steps, and samples in each (the learner's to obey).
        learning_rate: AdamW's, after the warm-up.
        learning_rates: factors of it by prefix of a parameter's name (``unet.class_embedding``); the longest counts.
        seed: of the batches and of dropout.
        ema_decay: of the averaged weights, once the run is long: min(ema_decay, (1 + s) / (10 + s)) at step s.
        warmup_steps: over which the learning rate rises from 0.
        decay_from: share of the run after which the learning rate falls to 0 by a half cosine.
        weight_decay, clip_norm: AdamW's, and the largest norm of a gradient.
        checkpoint_seconds: time between checkpoints.
        device: where the learner's modules are.
        facts: what else decides the result, such as the number of things rendered; plain JSON values.
    """

    steps: int
    batch: int
    learning_rate: float
    learning_rates: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    ema_decay: float = 0.999
    warmup_steps: int = 100
    decay_from: float = 0.4
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    checkpoint_seconds: float = 60.0
    device: torch.device = torch.device("cpu")
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.steps < 1 or self.batch < 1 or self.learning_rate <= 0:
            raise ValueError(
                "expected at least one step, one sample and a positive learning rate, "
                f"got {self.steps}, {self.batch}, {self.learning_rate}"
            )
        if not (0.0 <= self.ema_decay < 1.0 and 0.0 <= self.decay_from <= 1.0):
            raise ValueError(f"expected shares of 1, got ema_decay {self.ema_decay}, decay_from {self.decay_from}")

    def identity(self) -> dict[str, Any]:
        """Return what a checkpoint must agree in; where and how often to save may change."""
        fields = {name: value for name, value in asdict(self).items() if name not in ("device", "checkpoint_seconds")}
        return {**fields, "learning_rates": dict(self.learning_rates), "facts": dict(self.facts)}

    def learning_rate_factor(self, step: int) -> float:
        """Return the schedule's factor, 0 to 1, at a step counted from 0."""
        warm = min(1.0, (step + 1) / max(1, self.warmup_steps))
        share = step / self.steps
        if share < self.decay_from:
            return warm
        return warm * 0.5 * (1 + math.cos(math.pi * (share - self.decay_from) / max(1e-9, 1 - self.decay_from)))


@runtime_checkable
class Learner(Protocol):
    """What is trained and on what; the trainer does the rest."""

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What is trained and averaged, on the device; buffers are not saved, so batch norms are refused."""
        ...

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the loss of one batch, which the seed and ``step`` alone decide, and figures to report."""
        ...

    def export(self, folder: Path) -> None:
        """Write the result; called in eval mode with the averaged weights in place."""
        ...


def train(
    learner: Learner,
    settings: TrainingSettings,
    folder: Path,
    *,
    on_progress: OnProgress | None = None,
    until_seconds: float | None = None,
) -> TrainingReport:
    """Train until ``settings.steps``, from the folder's checkpoint where there is one, and export the average.

    An interrupt (Ctrl-C) ends the step, saves a checkpoint, and is raised then; nothing is exported.

    Args:
        until_seconds: stop, save and export after so long, even if steps are left.

    Raises:
        LimbeckError: E_CHECKPOINT_DAMAGED, E_CHECKPOINT_MISMATCH, E_TRAINING_DIVERGED, E_DISK_FULL or
            E_OUTPUT_UNWRITABLE; the last good checkpoint stays.
    """
    require_writable_folder(folder)
    for module in learner.modules.values():
        module.train()
    state = _begin_or_resume(learner, settings, folder)
    end = math.inf if until_seconds is None else time.monotonic() + until_seconds
    with torch.random.fork_rng(devices=[settings.device] if settings.device.type == "cuda" else []):
        _run(learner, settings, state, folder, end, on_progress)
    export_averaged(learner.modules, state, learner.export, folder)
    return state.report(settings.steps)


def _begin_or_resume(learner: Learner, settings: TrainingSettings, folder: Path) -> TrainingState:
    parameters = trainable_parameters(learner.modules)
    groups = parameter_groups(parameters, settings.learning_rate, settings.learning_rates)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=settings.weight_decay, foreach=True)
    checkpoint = load_checkpoint(folder)
    if checkpoint is None:
        return TrainingState.begin(parameters, optimizer)
    # Through JSON, since a tuple comes back as a list.
    require_same(folder, _plain(settings.identity()), checkpoint.numbers.get("settings", {}), "settings")
    return TrainingState.resume(parameters, optimizer, checkpoint, folder)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def _run(
    learner: Learner,
    settings: TrainingSettings,
    state: TrainingState,
    folder: Path,
    end: float,
    on_progress: OnProgress | None,
) -> None:
    """Take steps until the last one, the end of the time, or an interrupt; leave a checkpoint in every case."""
    bar = tqdm(
        total=settings.steps,
        initial=state.step,
        file=sys.stderr,
        unit="step",
        mininterval=1.0 if sys.stderr.isatty() else 30.0,
        disable=state.step >= settings.steps,
    )

    def save() -> None:
        save_checkpoint(folder, state.checkpoint(_plain(settings.identity())))

    with bar, deferred_interrupt() as interrupted:
        saved = time.monotonic()
        try:
            while state.step < settings.steps and time.monotonic() < end and not interrupted.is_set():
                loss = _step(learner, settings, state)
                bar.update()
                bar.set_postfix(loss=f"{state.recent_loss(loss):.4f}", refresh=False)
                if on_progress is not None:
                    on_progress(state.step, loss)
                if time.monotonic() - saved > settings.checkpoint_seconds:
                    save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            if not interrupted.is_set():  # raised by the learner, between steps; a second Ctrl-C may come within one
                save()
            raise
        save()
        if interrupted.is_set():
            raise KeyboardInterrupt


def _step(learner: Learner, settings: TrainingSettings, state: TrainingState) -> float:
    """Take one optimiser step and return its loss."""
    # Dropout and other hidden draws then depend on the step alone, as the batches do.
    torch.manual_seed(settings.seed * 1_000_003 + state.step)
    loss, figures = learner.loss(state.step)
    value = float(loss.detach())
    _require_finite("loss", value, state.step)
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(list(state.parameters.values()), settings.clip_norm)
    # A finite loss can have infinite slopes; one such step would make every weight undefined.
    _require_finite("gradient", float(norm), state.step)
    factor = settings.learning_rate_factor(state.step)
    for group in state.optimizer.param_groups:
        group["lr"] = group["full_lr"] * factor
    state.optimizer.step()
    state.advance({"loss": value, **figures}, settings.ema_decay)
    return value


def _require_finite(what: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        raise LimbeckError(
            "E_TRAINING_DIVERGED",
            f"expected a finite {what}, got {value} at step {step}; the last checkpoint is of a step before",
            "train again with another --seed into another folder: going on from the checkpoint would repeat the step",
        )
