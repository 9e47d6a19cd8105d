# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a run costs and how its gradients behave: seconds, forward passes, operations, gradient norms."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.vae import Encoder
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch.nn.modules.module import register_module_forward_pre_hook

from limbeck.config import Recipe
from limbeck.optimisation.loop import StepReport

UNET_TFLOP: Mapping[str, float] = {"text_to_image": 0.804, "multi_view": 0.204, "novel_view": 0.180}
"""Of one sample through one UNet forward at Stable Diffusion's scale: 64 x 64 latents, 32 x 32 for the view priors.
Counted on the published architectures (2 operations a multiply-add)."""
ENCODE_TFLOP: Mapping[str, float] = {"text_to_image": 2.268, "multi_view": 0.548, "novel_view": 0.548}
"""Of one render through the autoencoder's encoder and back to its pixels, 512 or 256 wide."""
ENCODE_ALONE_TFLOP = 0.273
"""The same without going back, 256 wide: what energies encode."""
TRAINING_FORWARDS = 3.0
"""A pass that is learnt from costs its backward pass, too: twice a forward."""


@dataclass
class PassCounter:
    """Counts what goes through UNets and encoders.

    Attributes:
        passes: UNet calls.
        samples: rows of their batches, by the kind of model; ``trained`` ones are learnt from.
        encoded: pictures encoded without gradient.
    """

    passes: int = 0
    samples: Counter[str] = field(default_factory=Counter)
    trained: Counter[str] = field(default_factory=Counter)
    encoded: int = 0

    def reset(self) -> None:
        """Begin again."""
        self.passes, self.encoded = 0, 0
        self.samples.clear()
        self.trained.clear()

    def __call__(self, module: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
        """Count one module's forward, if it is one of those."""
        if isinstance(module, UNet2DConditionModel):
            self.passes += 1
            counts = self.trained if torch.is_grad_enabled() else self.samples
            counts[_kind(module)] += len(inputs[0])
        elif isinstance(module, Encoder) and not torch.is_grad_enabled():
            self.encoded += len(inputs[0])


def _kind(unet: UNet2DConditionModel) -> str:
    if unet.config["in_channels"] == 2 * unet.config["out_channels"]:
        return "novel_view"
    return "multi_view" if unet.config["class_embed_type"] == "projection" else "text_to_image"


@contextmanager
def counted() -> Iterator[PassCounter]:
    """Count all passes of this process until the end of the block."""
    counter = PassCounter()
    handle = register_module_forward_pre_hook(counter)
    try:
        yield counter
    finally:
        handle.remove()


@dataclass
class StepWatch:
    """Collects the reports of a run's steps and when they came."""

    reports: list[StepReport] = field(default_factory=list)
    begun_s: float = 0.0
    begun_cpu_s: float = 0.0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    def begin(self) -> None:
        """Start the clock."""
        self.begun_s, self.begun_cpu_s = time.perf_counter(), time.process_time()

    def __call__(self, report: StepReport) -> None:
        """Take a step's report."""
        self.reports.append(report)
        self.seconds = time.perf_counter() - self.begun_s
        self.cpu_seconds = time.process_time() - self.begun_cpu_s


@dataclass(frozen=True)
class CostFigures:
    """What a step costs, on average over a run.

    Attributes:
        seconds_per_step: of this machine under its load; previews on the way are in it.
        cpu_seconds_per_step: of all threads of the process.
        forwards_per_step, samples_per_step: UNet calls, and the rows of their batches.
        tflop_per_step: operations at Stable Diffusion's scale: UNets, and the encoder with its backward pass. Pair
            classifiers and rendering are left out.
        gradient_mean: of the root mean square by which the first term pulls its latents, over the run's second half.
        gradient_fluctuation: its standard deviation over its mean, the same steps.
    """

    seconds_per_step: float
    cpu_seconds_per_step: float
    forwards_per_step: float
    samples_per_step: float
    tflop_per_step: float
    gradient_mean: float
    gradient_fluctuation: float


def cost_figures(recipe: Recipe, counter: PassCounter, watch: StepWatch) -> CostFigures:
    """Return the means over the steps that were seen, of which there is at least one."""
    steps = len(watch.reports)
    norms = np.array([report.gradients[0] for report in watch.reports[steps // 2 :]])
    fluctuation = float(norms.std() / norms.mean()) if norms.mean() > 0 else 0.0
    samples = counter.samples.total() + counter.trained.total()
    return CostFigures(
        round(watch.seconds / steps, 4),
        round(watch.cpu_seconds / steps, 4),
        round(counter.passes / steps, 3),
        round(samples / steps, 3),
        round(_operations(recipe, counter, watch.reports) / steps, 3),
        round(float(norms.mean()), 6),
        round(fluctuation, 5),
    )


def _operations(recipe: Recipe, counter: PassCounter, reports: Sequence[StepReport]) -> float:
    """Return the operations of all steps in units of 1e12."""
    asked = sum(UNET_TFLOP[kind] * count for kind, count in counter.samples.items())
    learnt = sum(TRAINING_FORWARDS * UNET_TFLOP[kind] * count for kind, count in counter.trained.items())
    pulled = [
        ENCODE_TFLOP.get(term.prior, ENCODE_TFLOP["text_to_image"]) * sum(report.views[index] for report in reports)
        for index, term in enumerate(recipe.terms)
    ]
    return asked + learnt + sum(pulled) + ENCODE_ALONE_TFLOP * counter.encoded
