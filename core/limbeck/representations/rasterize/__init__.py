# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussian rasterisers behind gsplat's call signature: gsplat on CUDA, numba on the CPU, plain torch as their oracle."""

from limbeck.representations.rasterize.choose import rasterization
from limbeck.representations.rasterize.warmup import is_compiled, warm_up

__all__ = ["is_compiled", "rasterization", "warm_up"]
