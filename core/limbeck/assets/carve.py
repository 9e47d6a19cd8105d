# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What rendered silhouettes say about space: a visual hull with soft walls.

    ceiling(x) = min over views of alpha(projection of x)

A point that some view sees past (alpha below 1/2) is outside. Density alone puts surfaces of thin parts too far out,
since a stack of Gaussians is wider than it looks; where a part shows its outline, the ceiling crosses 1/2 just there.
"""

from __future__ import annotations

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Float32
from numba import njit
from numpy import ndarray

from limbeck.assets.blend import ColorView
from limbeck.assets.density import DensityGrid
from limbeck.assets.render import NEAR


def alpha_ceiling(grid: DensityGrid, views: list[ColorView]) -> Float32[ndarray, "nx ny nz"]:
    """Return, for each node, the lowest alpha at which the views show it; 1 where no view looks."""
    ceiling = np.ones(grid.values.shape, np.float32)
    for view in views:
        # Sampling at grid.origin + spacing * (i, j, k) is one affine map into the camera.
        axes: Float[ndarray, "3 3"] = view.viewmat[:3, :3].astype(np.float64) * grid.spacing
        first = view.viewmat[:3, :3].astype(np.float64) @ grid.origin + view.viewmat[:3, 3]
        _lower(ceiling, view.alpha, (first, axes), view.K.astype(np.float64))
    return ceiling


@njit(cache=True, nogil=True)
@no_type_check
def _lower(ceiling, alpha, camera, K):
    """Lower each node of the ceiling, in place, to the alpha that it projects to; bilinear."""
    first, axes = camera
    height, width = alpha.shape
    nx, ny, nz = ceiling.shape
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                z = first[2] + axes[2, 0] * i + axes[2, 1] * j + axes[2, 2] * k
                if z <= NEAR:
                    continue
                x = first[0] + axes[0, 0] * i + axes[0, 1] * j + axes[0, 2] * k
                y = first[1] + axes[1, 0] * i + axes[1, 1] * j + axes[1, 2] * k
                u, v = K[0, 0] * x / z + K[0, 2] - 0.5, K[1, 1] * y / z + K[1, 2] - 0.5
                if not (0 <= u < width - 1 and 0 <= v < height - 1):
                    continue
                column, row = int(u), int(v)
                s, t = u - column, v - row
                upper = alpha[row, column] * (1 - s) + alpha[row, column + 1] * s
                lower = alpha[row + 1, column] * (1 - s) + alpha[row + 1, column + 1] * s
                ceiling[i, j, k] = min(ceiling[i, j, k], upper * (1 - t) + lower * t)
