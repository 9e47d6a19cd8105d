# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Choose a rasteriser by the device that the Gaussians are on.

Backends are imported when first used: numba takes a moment to import, and with a CUDA compiler on the PATH but no GPU,
touching gsplat's backend would start a long build.
"""

import importlib
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.representations.rasterize.inputs import RenderMode


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
    """Render Gaussians with the semantics of gsplat 1.5's `rasterization` (pinhole, classic, unpacked).

    Differentiable in means, quats, scales, opacities, colors and backgrounds. meta has means2d [C, N, 2] (part of the
    graph: `retain_grad()` works), radii [C, N, 2] in pixels (0 if not seen), depths [C, N], conics [C, N, 3], opacities
    [C, N], width, height, n_cameras; except on CUDA also median_depth [C, H, W, 1], the depth at which transmittance
    passes 0.5, or 0. On other devices than CPU and CUDA the CPU renders, and meta stays there.

    Args:
        means: centres in world units.
        quats: rotations wxyz, normalised here.
        scales: standard deviations in world units, not their logarithms.
        opacities: in [0, 1], not logits.
        colors: any number of channels, per Gaussian or per camera and Gaussian.
        viewmats: world to camera, OpenCV axes (x right, y down, z forward).
        Ks: intrinsics in pixels, without skew; a pixel's centre is at +0.5.
        width: of the image in pixels.
        height: of the image in pixels.
        near_plane: what is nearer along the camera's axis is not seen.
        far_plane: nor is what is farther.
        radius_clip: nor is what has no half-side above this, in pixels.
        eps2d: added to the variance of every projected Gaussian, in square pixels.
        backgrounds: colours behind everything.
        render_mode: colours, accumulated depth D, expected depth ED = D / alpha, or colours then depth.

    Raises ValueError if shapes, types or devices do not fit together.
    """
    device = means.device
    host = device if device.type in ("cpu", "cuda") else torch.device("cpu")
    tensors = (means, quats, scales, opacities, colors, viewmats, Ks)
    if host != device:  # splats are few bytes, and the CPU kernel is far faster than plain torch on other GPUs
        tensors = tuple(tensor.to(host) for tensor in tensors)
        backgrounds = None if backgrounds is None else backgrounds.to(host)
    render, alphas, meta = _backend(host.type).rasterization(
        *(*tensors, width, height),
        near_plane=near_plane,
        far_plane=far_plane,
        radius_clip=radius_clip,
        eps2d=eps2d,
        backgrounds=backgrounds,
        render_mode=render_mode,
    )
    return render.to(device), alphas.to(device), meta


def _backend(name: str) -> ModuleType:
    return importlib.import_module(f"limbeck.representations.rasterize.{name}")
