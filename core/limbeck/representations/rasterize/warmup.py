# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the CPU kernels before they are needed, and tell whether that will take a while."""

from __future__ import annotations

from pathlib import Path

import torch


def is_compiled(device: torch.device) -> bool:
    """Return whether compiled kernels lie in numba's cache, as far as its files tell.

    A cache written by another version of numba or for another processor looks the same; then compiling goes unannounced.
    """
    if device.type == "cuda":
        return True
    from limbeck.representations.rasterize import projection, tiles  # noqa: PLC0415 - numba takes a second to import

    kernels = (projection.project, projection.project_backward, tiles.blend_tiles, tiles.unblend_tiles)
    return all(_has_index(kernel) for kernel in kernels)


def _has_index(kernel: object) -> bool:
    """Return whether the kernel's cache has an index file; numba names both by its own rules."""
    implementation = getattr(getattr(kernel, "_cache", None), "_impl", None)
    if implementation is None:
        return False
    folder = Path(implementation.locator.get_cache_path())
    return any(folder.glob(f"{implementation.filename_base}*.nbi"))


def warm_up(device: torch.device) -> None:
    """Run every kernel once, forward and backward, on one Gaussian."""
    from limbeck.representations.rasterize.choose import rasterization  # noqa: PLC0415 - as above

    means = torch.zeros(1, 3, device=device, requires_grad=True)
    one = torch.ones(1, device=device)
    viewmat = torch.eye(4, device=device)
    viewmat[2, 3] = 2.0
    K = torch.tensor([[8.0, 0, 4], [0, 8, 4], [0, 0, 1]], device=device)
    quats = torch.eye(4, device=device)[:1]
    colors, alphas, _ = rasterization(
        means, quats, one[:, None].expand(1, 3), one / 2, one[:, None].expand(1, 3), viewmat[None], K[None], 8, 8
    )
    (colors.sum() + alphas.sum()).backward()
