# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise 3D Gaussians on CUDA with gsplat, whose semantics the other backends follow.

Import this only once a tensor is on a CUDA device: with a CUDA compiler on the PATH but no GPU, touching gsplat's
backend would start a long build.
"""

import importlib
from typing import Any

from jaxtyping import Float
from torch import Tensor

from limbeck.errors import LimbeckError
from limbeck.representations.rasterize.inputs import RenderMode, check_inputs


def rasterization(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    opacities: Float[Tensor, "N"],
    colors: Float[Tensor, "*cameras N D"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    *,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
    backgrounds: Float[Tensor, "C D"] | None = None,
    render_mode: RenderMode = "RGB+ED",
) -> tuple[Float[Tensor, "C H W X"], Float[Tensor, "C H W 1"], dict[str, Any]]:
    """Render Gaussians; arguments, results and units as in choose.py, without median_depth.

    Raises:
        LimbeckError: E_GSPLAT_MISSING if gsplat is not installed.
        ValueError: if shapes, types or devices do not fit together.
    """
    check_inputs(means, quats, scales, opacities, colors, viewmats, Ks, width, height, backgrounds, render_mode)
    return _gsplat().rasterization(
        *(means, quats, scales, opacities, colors, viewmats, Ks, width, height),
        near_plane=near_plane,
        far_plane=far_plane,
        radius_clip=radius_clip,
        eps2d=eps2d,
        backgrounds=backgrounds,
        render_mode=render_mode,
        packed=False,
    )


def _gsplat() -> Any:
    try:
        return importlib.import_module("gsplat")
    except ImportError as error:
        message = "rendering Gaussians on CUDA needs gsplat, which is not installed"
        remedy = "run: python -m pip install gsplat ninja, or use --device cpu"
        raise LimbeckError("E_GSPLAT_MISSING", message, remedy) from error
