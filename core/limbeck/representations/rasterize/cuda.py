# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise on CUDA with gsplat (arXiv:2409.06765)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from limbeck.errors import LimbeckError


def rasterization(*args: Any, **settings: Any) -> tuple[Tensor, Tensor, dict[str, Any]]:  # noqa: ANN401 - gsplat's
    """Call gsplat's rasterization, unpacked, so that the dictionary has one row per camera and Gaussian.

    Raises:
        LimbeckError: E_GSPLAT_MISSING if gsplat is not installed.
    """
    try:
        import gsplat  # noqa: PLC0415 - takes seconds, and compiles kernels where a compiler is found
    except ImportError as error:
        raise LimbeckError(
            "E_GSPLAT_MISSING",
            "rendering on CUDA needs gsplat, which is not installed",
            'install it with: python -m pip install "limbeck[cuda]", or use --device cpu',
        ) from error
    return gsplat.rasterization(*args, packed=False, **settings)
