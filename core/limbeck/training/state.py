# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that a training run changes from step to step, and its way into a checkpoint and back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from limbeck.training.checkpoints import Checkpoint, require_same
from limbeck.training.report import LOSS_WINDOW, TrainingReport

MOMENTS = ("step", "exp_avg", "exp_avg_sq")
"""AdamW's own names of what it keeps for a parameter."""


def trainable_parameters(modules: Mapping[str, nn.Module]) -> dict[str, nn.Parameter]:
    """Return the parameters that need gradients, each once, by ``module.parameter``.

    Raises:
        ValueError: if there is none, or if a module keeps running statistics, which no checkpoint holds.
    """
    named: dict[str, nn.Parameter] = {}
    seen: set[int] = set()
    for prefix, module in modules.items():
        if any(name.endswith("running_mean") for name, _ in module.named_buffers()):
            raise ValueError(f"expected modules without running statistics, got a batch norm in {prefix!r}")
        for name, parameter in module.named_parameters():
            if parameter.requires_grad and id(parameter) not in seen:
                seen.add(id(parameter))
                named[f"{prefix}.{name}"] = parameter
    if not named:
        raise ValueError("expected parameters that need gradients, got none")
    return named


def parameter_groups(
    parameters: Mapping[str, nn.Parameter], learning_rate: float, factors: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return the optimiser's groups, one per factor of the learning rate.

    Raises:
        ValueError: if a prefix fits no parameter.
    """
    unused = [prefix for prefix in factors if not any(name.startswith(prefix) for name in parameters)]
    if unused:
        raise ValueError(f"expected prefixes of trained parameters in learning_rates, got {unused}")
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        longest = max((prefix for prefix in factors if name.startswith(prefix)), key=len, default=None)
        groups.setdefault(1.0 if longest is None else factors[longest], []).append(parameter)
    return [
        {"params": members, "lr": learning_rate * factor, "full_lr": learning_rate * factor}
        for factor, members in groups.items()
    ]


def shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """Return every tensor's shape."""
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@dataclass
class TrainingState:
    """Weights, averages, the optimiser, and the books.

    Attributes:
        losses: by name, the means over whole windows of LOSS_WINDOW steps, of the steps that reported it.
        sums, counts: by name, the sum over the window that is not full yet, and how many steps reported it.
    """

    parameters: dict[str, nn.Parameter]
    averages: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    step: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    past_seconds: float = 0.0
    past_cpu_seconds: float = 0.0
    resumed: int = 0
    started: float = field(default_factory=time.monotonic)
    cpu_started: float = field(default_factory=time.process_time)

    @staticmethod
    def begin(parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> TrainingState:
        """Return the state before the first step."""
        return TrainingState(parameters, {name: p.detach().clone() for name, p in parameters.items()}, optimizer)

    @staticmethod
    def resume(
        parameters: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, folder: Path
    ) -> TrainingState:
        """Return the state of a checkpoint, its weights put into the parameters.

        Raises:
            LimbeckError: E_CHECKPOINT_MISMATCH if it is of other modules.
        """
        saved = checkpoint.part("parameters")
        require_same(folder, shapes(parameters), shapes(saved), "weights")
        state = TrainingState.begin(parameters, optimizer)
        averages, moments = checkpoint.part("averages"), {name: checkpoint.part(name) for name in MOMENTS}
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(saved[name])
                state.averages[name].copy_(averages[name])
                if name in moments["step"]:  # else it never had a gradient
                    optimizer.state[parameter] = {
                        "step": moments["step"][name],  # AdamW counts on the CPU
                        **{key: _like(parameter, moments[key][name]) for key in MOMENTS[1:]},
                    }
        numbers = checkpoint.numbers
        state.step, state.resumed = int(numbers["step"]), int(numbers["resumed"]) + 1
        state.losses, state.sums = dict(numbers["losses"]), dict(numbers["sums"])
        # Checkpoints that do not say reported every figure in every step.
        state.counts = dict(numbers.get("counts", dict.fromkeys(state.sums, state.step % LOSS_WINDOW)))
        state.past_seconds, state.past_cpu_seconds = float(numbers["seconds"]), float(numbers["cpu_seconds"])
        return state

    def advance(self, figures: Mapping[str, float], ema_decay: float) -> None:
        """Count a step: average the weights and book the figures."""
        decay = min(ema_decay, (1 + self.step) / (10 + self.step))
        current = [parameter.detach() for parameter in self.parameters.values()]
        torch._foreach_lerp_(list(self.averages.values()), current, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        self.step += 1
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
            self.counts[name] = self.counts.get(name, 0) + 1
        if self.step % LOSS_WINDOW == 0:
            for name, total in self.sums.items():
                self.losses.setdefault(name, []).append(total / self.counts[name])
            self.sums, self.counts = {}, {}

    def recent_loss(self, latest: float) -> float:
        """Return the mean of the last whole window, or the latest loss before there is one."""
        curve = self.losses.get("loss")
        return curve[-1] if curve else latest

    def checkpoint(self, settings: Mapping[str, Any]) -> Checkpoint:
        """Return all that a resume needs."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            tensors[f"parameters/{name}"] = parameter
            tensors[f"averages/{name}"] = self.averages[name]
            kept = self.optimizer.state.get(parameter, {})
            tensors |= {f"{key}/{name}": kept[key] for key in MOMENTS if key in kept}
        report = self.report(0)
        numbers = {
            "settings": settings,
            "step": self.step,
            "losses": self.losses,
            "sums": self.sums,
            "counts": self.counts,
            "seconds": report.seconds,
            "cpu_seconds": report.cpu_seconds,
            "resumed": self.resumed,
        }
        return Checkpoint(tensors, numbers)

    def report(self, total_steps: int) -> TrainingReport:
        """Return how far the run came."""
        return TrainingReport(
            self.step,
            total_steps,
            {name: tuple(curve) for name, curve in self.losses.items()},
            self.past_seconds + time.monotonic() - self.started,
            self.past_cpu_seconds + time.process_time() - self.cpu_started,
            self.resumed,
        )


def _like(parameter: nn.Parameter, saved: Tensor) -> Tensor:
    """Return a moment in its parameter's memory layout and on its device."""
    return torch.empty_like(parameter).copy_(saved)
