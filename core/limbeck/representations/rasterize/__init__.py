# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Render 3D Gaussians: gsplat on CUDA, numba kernels on the CPU, plain torch as the oracle of both.

Importing this package neither imports numba nor compiles anything.
"""

from limbeck.representations.rasterize.choose import rasterization
from limbeck.representations.rasterize.inputs import RenderMode
from limbeck.representations.rasterize.warmup import is_compiled, warm_up

__all__ = ["RenderMode", "is_compiled", "rasterization", "warm_up"]
