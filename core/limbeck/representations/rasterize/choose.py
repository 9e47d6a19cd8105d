# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Choose a rasteriser by the device that the Gaussians are on.

Backends are imported when first used: numba takes a moment to import, and with a CUDA compiler on the PATH but no GPU,
touching gsplat's backend would start a long build.
"""

import importlib
from types import ModuleType
from typing import Any

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

    Differentiable in means, quats, scales, opacities, colors and backgrounds.

    Args:
        means: centres in world units.
        quats: rotations wxyz, normalised here.
        scales: standard deviations in world units, not their logarithms.
        opacities: in [0, 1], not logits.
        colors: any number of channels D, per Gaussian or per camera and Gaussian.
        viewmats: world to camera, OpenCV axes (x right, y down, z forward).
        Ks: intrinsics in pixels; a pixel's centre is at +0.5. Skew is ignored.
        width: pixels.
        height: pixels.
        near_plane: Gaussians nearer than this along the camera's axis are not seen.
        far_plane: nor those farther than this.
        radius_clip: nor those whose box has no half-side above this, in pixels.
        eps2d: added to the variance of every projected Gaussian, in square pixels.
        backgrounds: colours behind everything, one per camera.
        render_mode: colours "RGB", accumulated depth "D", expected depth "ED" (D / alpha), or colours then depth.

    Returns:
        Colours and depth [C, H, W, X], alphas [C, H, W, 1], and a dict of means2d [C, N, 2] (part of the graph: call
        `retain_grad()` on it before `backward()`), radii [C, N, 2] in pixels (0 if not seen), depths [C, N], conics
        [C, N, 3], opacities [C, N], width, height, n_cameras; except on CUDA also median_depth [C, H, W, 1], the depth
        at which transmittance passes 0.5, or 0 where it does not.

    Raises:
        ValueError: if shapes, types or devices do not fit together.
    """
    device = means.device
    tensors = (means, quats, scales, opacities, colors, viewmats, Ks)
    options = {
        "near_plane": near_plane,
        "far_plane": far_plane,
        "radius_clip": radius_clip,
        "eps2d": eps2d,
        "backgrounds": backgrounds,
        "render_mode": render_mode,
    }
    if device.type in ("cpu", "cuda"):
        return _backend(device.type).rasterization(*tensors, width, height, **options)
    # Splats are few bytes and the CPU kernel is far faster than plain torch on Apple's or other GPUs.
    options["backgrounds"] = None if backgrounds is None else backgrounds.cpu()
    render, alphas, meta = _backend("cpu").rasterization(*(t.cpu() for t in tensors), width, height, **options)
    return render.to(device), alphas.to(device), meta


def _backend(name: str) -> ModuleType:
    return importlib.import_module(f"limbeck.representations.rasterize.{name}")
