# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Compile what rendering needs before it is needed, and tell whether that will take a while."""

import importlib

import torch

from limbeck.representations.rasterize.choose import rasterization


def is_compiled(device: torch.device | str = "cpu") -> bool:
    """Tell whether the kernels for a device lie ready, here or on disk from an earlier run, as far as files tell.

    Machine code of other sources, another numba or a processor of another name counts as none.
    """
    if torch.device(device).type == "cuda":
        return True  # gsplat announces its own build
    return importlib.import_module("limbeck.representations.rasterize.compiled").is_compiled()


def warm_up(device: torch.device | str = "cpu") -> None:
    """Render two Gaussians, forward and backward, so that all kernels are compiled or loaded from the cache."""
    means = torch.tensor([[0.0, 0.0, 2.0], [0.1, 0.0, 3.0]], device=device).requires_grad_()
    ones = torch.ones(2, 4, device=device)
    viewmats, Ks = torch.eye(4, device=device)[None], torch.eye(3, device=device)[None]
    colors, alphas, _ = rasterization(means, ones, ones[:, :3], ones[:, 0] / 2, ones[:, :3], viewmats, Ks, 2, 2)
    (colors.sum() + alphas.sum()).backward()
