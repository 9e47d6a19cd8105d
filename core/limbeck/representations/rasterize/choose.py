# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Choose a rasteriser by the device that the Gaussians are on."""

from __future__ import annotations

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
    colors: Float[Tensor, "*C N D"],
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
    """Render Gaussians with gsplat's signature and semantics: by gsplat on CUDA, else by the CPU kernel.

    Args:
        means: centres in world units.
        quats: rotations wxyz, of any length.
        scales: standard deviations in world units.
        opacities: 0 to 1.
        colors: any number of channels, per Gaussian or per camera and Gaussian.
        viewmats: world to camera, OpenCV axes.
        Ks: intrinsics in pixels.
        width, height: of the images in pixels.
        near_plane, far_plane: camera z between which Gaussians are drawn.
        radius_clip: Gaussians of at most this radius in pixels are left out.
        eps2d: blur added to 2D covariances, in square pixels.
        backgrounds: colours behind everything.
        render_mode: colours (RGB), accumulated depth (D), depth divided by alpha (ED), or colours and one depth.

    Returns:
        Colours and depth, alphas, and a dictionary with at least means2d, radii, depths, conics, opacities, width,
        height and n_cameras, as gsplat's; on the CPU also median_depth [C, H, W, 1].

    Raises:
        ValueError: if shapes, types or devices do not fit together.
    """
    settings: dict[str, Any] = {
        "near_plane": near_plane,
        "far_plane": far_plane,
        "radius_clip": radius_clip,
        "eps2d": eps2d,
        "backgrounds": backgrounds,
        "render_mode": render_mode,
    }
    tensors = (means, quats, scales, opacities, colors, viewmats, Ks)
    if means.device.type == "cuda":
        from limbeck.representations.rasterize import cuda  # noqa: PLC0415 - gsplat needs CUDA

        return cuda.rasterization(*tensors, width, height, **settings)
    from limbeck.representations.rasterize import cpu  # noqa: PLC0415 - numba takes a second to import

    if means.device.type == "cpu":
        return cpu.rasterization(*tensors, width, height, **settings)
    return _on_cpu(cpu.rasterization, tensors, width, height, settings)


def _on_cpu(
    rasterize: Any,  # noqa: ANN401 - a function with keyword arguments
    tensors: tuple[Tensor, ...],
    width: int,
    height: int,
    settings: dict[str, Any],
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Render on the CPU what lives on a device without a rasteriser (Apple, AMD); gradients find their way back."""
    device = tensors[0].device
    backgrounds = settings["backgrounds"]
    moved = settings | {"backgrounds": None if backgrounds is None else backgrounds.cpu()}
    colors, alphas, meta = rasterize(*(tensor.cpu() for tensor in tensors), width, height, **moved)
    meta = {name: value.to(device) if torch.is_tensor(value) else value for name, value in meta.items()}
    return colors.to(device), alphas.to(device), meta
