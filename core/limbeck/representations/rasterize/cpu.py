# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise 3D Gaussians on the CPU with numba kernels: no compiler to install, float32, repeatable bit for bit.

Two autograd functions, as in gsplat: projection, then blending; the 2D means between them are part of the graph, so
that densification can read their gradients. Results do not depend on the number of threads.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.representations.rasterize.blend import blend_tiles
from limbeck.representations.rasterize.compiled import discard_stale_code
from limbeck.representations.rasterize.inputs import RenderMode, check_inputs
from limbeck.representations.rasterize.jit import Float32Array, Float64Array
from limbeck.representations.rasterize.pairs import find_pairs
from limbeck.representations.rasterize.projection import Lens, camera_table, project
from limbeck.representations.rasterize.projection_gradient import project_backward
from limbeck.representations.rasterize.splats import gather_splats, sum_pairs
from limbeck.representations.rasterize.threads import run_in_chunks
from limbeck.representations.rasterize.tiles import CHANNELS, FEATURES, PIXELS, SUM_FEATURES
from limbeck.representations.rasterize.unblend import unblend_tiles


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
    """Render Gaussians; arguments, results and units as in choose.py. Tensors are on the CPU, results are float32.

    Raises:
        ValueError: if shapes do not fit together, an opacity is above 1, or gradients for cameras are asked for.
    """
    check_inputs(means, quats, scales, opacities, colors, viewmats, Ks, width, height, backgrounds, render_mode)
    if viewmats.requires_grad or Ks.requires_grad:
        raise ValueError("expected viewmats and Ks without gradient: the CPU rasteriser has none for cameras")
    discard_stale_code()
    thresholds = _thresholds(opacities)
    lens = Lens(*(float(value) for value in (width, height, near_plane, far_plane, eps2d, radius_clip)))
    cameras = camera_table(_array(viewmats.float()), _array(Ks.float()), lens)
    radii, means2d, depths, roots, conics = _Project.apply(
        *(means.float(), quats.float(), scales.float()), thresholds, cameras, lens
    )
    render, alphas, median_depth = _Blend.apply(
        *(means2d, roots, depths, opacities.float(), *_features(colors, backgrounds, len(viewmats), render_mode)),
        *(radii, thresholds, render_mode != "RGB", width, height),
    )
    if render_mode.endswith("ED"):
        render = torch.cat([render[..., :-1], render[..., -1:] / alphas.clamp(min=1e-10)], dim=-1)
    meta = {"means2d": means2d, "radii": radii, "depths": depths, "conics": conics, "median_depth": median_depth}
    meta |= {"opacities": opacities.expand(len(viewmats), -1)}
    return render, alphas, {**meta, "width": width, "height": height, "n_cameras": len(viewmats)}


def _features(
    colors: Float[Tensor, "*cameras N D"], backgrounds: Float[Tensor, "C D"] | None, views: int, render_mode: RenderMode
) -> tuple[Float[Tensor, "sets N K"], Float[Tensor, "C K"]]:
    """Return the colours and backgrounds that a mode needs, with no channels if it shows depth alone."""
    colors = colors.float().expand(1, -1, -1) if colors.dim() == 2 else colors.float()
    if "RGB" not in render_mode:
        return colors[..., :0], colors.new_zeros(views, 0)
    return colors, colors.new_zeros(views, colors.shape[-1]) if backgrounds is None else backgrounds.float()


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _thresholds(opacities: Float[Tensor, "N"]) -> Float64Array:
    """Return twice the exponent at which alpha falls to 1/255; negative or NaN for what is never seen."""
    values = _array(opacities.double())
    if values.max(initial=0.0) > 1.0:
        raise ValueError(f"expected opacities in [0, 1], got up to {values.max()}")
    with np.errstate(divide="ignore", invalid="ignore"):  # opacity 0 or less
        return 2.0 * np.log(255.0 * values)


def _conics(roots: Float32Array) -> Float[Tensor, "C N 3"]:
    l0, l1, l2 = roots[..., 0], roots[..., 1], roots[..., 2]
    conics = np.empty_like(roots)
    conics[..., 0], conics[..., 1], conics[..., 2] = l0 * l0, l0 * l1, l1 * l1 + l2 * l2
    return torch.from_numpy(conics)


def _backdrop(backgrounds: Tensor, with_depth: bool) -> Float32Array:
    """Return the backgrounds with a depth of 0 if there is one; np.pad takes as long as blending a small picture."""
    colors = _array(backgrounds)
    backdrop = np.zeros((len(colors), colors.shape[1] + with_depth), np.float32)
    backdrop[:, : colors.shape[1]] = colors
    return backdrop


class _Project(torch.autograd.Function):
    """Project means, quats and scales into cameras: radii, means2d, depths, roots of the conics, conics."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        thresholds: Float64Array,
        cameras: Float64Array,
        lens: Lens,
    ) -> tuple[Int[Tensor, "C N 2"], Tensor, Tensor, Tensor, Tensor]:
        views, points = len(cameras), len(means)
        outputs = [np.empty((views, points, 2), np.int32)]
        outputs += [np.empty((views, points, *size), np.float32) for size in ((2,), (), (3,))]
        gaussians = [_array(tensor) for tensor in (means, quats, scales)]
        run_in_chunks(project, *gaussians, thresholds, cameras, lens, *outputs)
        radii, means2d, depths, roots = (torch.from_numpy(output) for output in outputs)
        conics = _conics(roots.numpy())
        ctx.mark_non_differentiable(radii, conics)
        ctx.save_for_backward(means, quats, scales, radii)
        ctx.cameras, ctx.lens = cameras, lens
        return radii, means2d, depths, roots, conics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, v_means2d, v_depths, v_roots, _ = grads
        means, quats, scales, radii = (_array(tensor) for tensor in ctx.saved_tensors)
        outputs = [np.empty((len(means), size), np.float32) for size in (3, 4, 3)]
        run_in_chunks(
            project_backward,
            *(means, quats, scales, ctx.cameras, ctx.lens, radii),
            *(_array(tensor) for tensor in (v_means2d, v_depths, v_roots)),
            *outputs,
        )
        return *(torch.from_numpy(output) for output in outputs), None, None, None


class _Blend(torch.autograd.Function):
    """Blend projected Gaussians into images: features and depth [C,H,W,K], alphas and median depths [C,H,W,1]."""

    @staticmethod
    def forward(
        ctx: Any,
        means2d: Tensor,
        roots: Tensor,
        depths: Tensor,
        opacities: Tensor,
        colors: Tensor,
        backgrounds: Tensor,
        radii: Tensor,
        thresholds: Float64Array,
        with_depth: bool,
        width: int,
        height: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        xy, root, depth, color, radius = (_array(tensor) for tensor in (means2d, roots, depths, colors, radii))
        found = find_pairs(xy, root, depth, thresholds, radius, width, height)
        features = color.shape[-1] + with_depth
        splats = np.empty((depth.size, FEATURES + -(-features // CHANNELS) * CHANNELS), np.float32)
        run_in_chunks(gather_splats, radius, xy, root, depth, thresholds, color, with_depth, splats)
        render = np.empty((len(depth), height, width, features), np.float32)
        alphas, median_depth, T = (np.empty(render.shape[:3], np.float32) for _ in range(3))
        last = np.empty((len(found.tile_starts) - 1, PIXELS), np.float32)
        backdrop = _backdrop(backgrounds, with_depth)
        outputs = (render, alphas, median_depth, T, last)
        run_in_chunks(blend_tiles, found.tile_starts, found.pairs, splats, backdrop, *outputs)
        ctx.kernel_arrays = found, splats, backdrop, T, last
        ctx.with_depth = with_depth
        ctx.save_for_backward(roots, opacities, colors)
        images = [torch.from_numpy(image) for image in (render, alphas[..., None], median_depth[..., None])]
        ctx.mark_non_differentiable(images[2])
        return images[0], images[1], images[2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        roots, opacities, colors = ctx.saved_tensors
        found, splats, backdrop, T, last = ctx.kernel_arrays
        v_render, v_alphas = _array(grads[0]), _array(grads[1].squeeze(-1))
        slots = np.empty((found.slots, SUM_FEATURES + splats.shape[1] - FEATURES), np.float32)
        run_in_chunks(
            unblend_tiles, found.tile_starts, found.pairs, splats, backdrop, T, last, v_render, v_alphas, slots
        )
        shapes = ((*roots.shape[:-1], 2), roots.shape, roots.shape[:-1], opacities.shape, colors.shape)
        outputs = [np.zeros(shape, np.float32) for shape in shapes]
        run_in_chunks(sum_pairs, found.splat_slots, slots, _array(roots), _array(opacities), *outputs, ctx.with_depth)
        v_backgrounds = None
        if ctx.needs_input_grad[5]:
            v_backgrounds = torch.from_numpy(np.einsum("chw,chwk->ck", T, v_render[..., : colors.shape[-1]]))
        gradients = [torch.from_numpy(output) for output in outputs]
        return *gradients, v_backgrounds, None, None, None, None, None
