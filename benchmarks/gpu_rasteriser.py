# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Check the rasteriser of a device against Limbeck's on the CPU, images and gradients, for `benchmarks/gpu.py`.

gsplat's kernels sum in another order and with fast exponentials, so that single Gaussians at a threshold (alpha of
1 / 255, transmittance of 1e-4, equal depths) fall on its other side. What is compared is therefore the norm of the
difference against the norm of the whole, image by image and parameter by parameter.
"""

from dataclasses import dataclass
from typing import Any

import torch
from rasterize import Problem, random_problem
from torch import Tensor

from limbeck.representations.rasterize import cpu, reference
from limbeck.representations.rasterize.choose import rasterization

TOLERANCE = 1e-3
"""Largest relative difference that counts as agreement; the CPU kernel is within 1e-5 of the oracle in plain torch."""
NAMES = ("means", "quats", "scales", "opacities", "colors")


@dataclass(frozen=True)
class Agreement:
    """How far two rasterisers are apart.

    Attributes:
        compared: what with what.
        apart: relative differences, by image and by gradient.
    """

    compared: str
    apart: dict[str, float]

    @property
    def is_close(self) -> bool:
        """Whether all differences are within the tolerance; one that is not a number is not."""
        return all(value <= TOLERANCE for value in self.apart.values())


def check_rasteriser(device: torch.device) -> Agreement:
    """Compare gsplat on a CUDA device with the CPU kernel; on the CPU, the kernel with the oracle in plain torch."""
    if device.type == "cuda":
        problem = random_problem(20_000, 256, 4)
        ours, theirs, what = (cpu.rasterization, torch.device("cpu")), (rasterization, device), "gsplat and CPU kernel"
    else:
        problem = random_problem(300, 24, 2)
        ours, theirs, what = (reference.rasterization, device), (cpu.rasterization, device), "CPU kernel and oracle"
    expected, actual = _results(problem, *ours), _results(problem, *theirs)
    return Agreement(what, {name: _relative(actual[name].cpu(), value) for name, value in expected.items()})


def _results(problem: Problem, rasterise: Any, device: torch.device) -> dict[str, Tensor]:
    """Return colours with depth, alpha, and the gradients of random weights on all of them."""
    leaves = [leaf.detach().clone().to(device).requires_grad_() for leaf in problem.gaussians]
    cameras = (problem.viewmats.to(device), problem.Ks.to(device), problem.size, problem.size)
    render, alphas, _ = rasterise(*leaves, *cameras, render_mode="RGB+ED")
    (torch.cat([render, alphas], dim=-1) * problem.weights.to(device)).sum().backward()
    gradients = {f"d_{name}": leaf.grad for name, leaf in zip(NAMES, leaves, strict=True) if leaf.grad is not None}
    return {"rgb_and_depth": render.detach(), "alpha": alphas.detach(), **gradients}


def _relative(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm().clamp_min(1e-30))
