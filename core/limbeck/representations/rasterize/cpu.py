# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise 3D Gaussians on the CPU with numba kernels: no compiler to install, float32, repeatable bit for bit.

Two autograd functions, as in gsplat: projection, then blending; the 2D means between them are part of the graph, so that
densification can read their gradients. Results do not depend on the number of threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.representations.rasterize.binning import TILE_HEIGHT, TILE_WIDTH, count_pairs, list_pairs, sort_by_depth
from limbeck.representations.rasterize.inputs import RenderMode, check_inputs
from limbeck.representations.rasterize.jit import Float32Array, Int32Array
from limbeck.representations.rasterize.projection import Lens, project, project_backward
from limbeck.representations.rasterize.splats import gather_splats, sum_pairs
from limbeck.representations.rasterize.threads import run_in_chunks
from limbeck.representations.rasterize.tiles import CHANNELS, FEATURES, PIXELS, SUM_FEATURES, blend_tiles, unblend_tiles


@dataclass(frozen=True)
class Binning:
    """Which Gaussians touch which tile: pairs of tile t are pairs[tile_starts[t] : tile_starts[t + 1]], near to far."""

    tile_starts: Int32Array
    pairs: Int32Array
    first_slots: Int32Array
    pairs_per_splat: Int32Array


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
    check_inputs(
        means, quats, scales, opacities, colors, viewmats, Ks, width, height, backgrounds, render_mode
    )
    if viewmats.requires_grad or Ks.requires_grad:
        raise ValueError("expected viewmats and Ks without gradient: the CPU rasteriser has none for cameras")
    if len(opacities) and opacities.detach().max() > 1.0:
        raise ValueError(f"expected opacities in [0, 1], got up to {opacities.detach().max().item()}")
    lens = Lens(*(float(value) for value in (width, height, near_plane, far_plane, eps2d, radius_clip)))
    radii, means2d, depths, roots, conics = _Project.apply(
        means.float(), quats.float(), scales.float(), opacities.detach().float(), viewmats.float(), Ks.float(), lens
    )
    with_colors, with_depth = "RGB" in render_mode, render_mode != "RGB"
    colors = colors.float().reshape(-1, *colors.shape[-2:])
    colors = colors if with_colors else colors[..., :0]
    if backgrounds is None or not with_colors:
        backgrounds = colors.new_zeros(len(viewmats), colors.shape[-1])
    render, alphas, median_depth = _Blend.apply(
        means2d, roots, depths, opacities.float(), colors, backgrounds.float(), radii, with_depth, width, height
    )
    if render_mode in ("ED", "RGB+ED"):
        render = torch.cat([render[..., :-1], render[..., -1:] / alphas.clamp(min=1e-10)], dim=-1)
    meta = {
        "means2d": means2d,
        "radii": radii,
        "depths": depths,
        "conics": conics,
        "opacities": opacities.expand(len(viewmats), -1),
        "median_depth": median_depth,
        "width": width,
        "height": height,
        "n_cameras": len(viewmats),
    }
    return render, alphas, meta


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _conics(roots: Float[Tensor, "C N 3"]) -> Float[Tensor, "C N 3"]:
    l0, l1, l2 = roots.unbind(-1)
    return torch.stack([l0 * l0, l0 * l1, l1 * l1 + l2 * l2], dim=-1)


class _Project(torch.autograd.Function):
    """Project means, quats and scales into cameras: radii, means2d, depths, roots of the conics, conics."""

    @staticmethod
    def forward(
        ctx: Any,
        means: Tensor,
        quats: Tensor,
        scales: Tensor,
        opacities: Tensor,
        viewmats: Tensor,
        Ks: Tensor,
        lens: Lens,
    ) -> tuple[Int[Tensor, "C N 2"], Tensor, Tensor, Tensor, Tensor]:
        cameras, points = len(viewmats), len(means)
        radii = torch.empty(cameras, points, 2, dtype=torch.int32)
        means2d, depths, roots = (torch.empty(cameras, points, *extra) for extra in ((2,), (), (3,)))
        arrays = [_array(tensor) for tensor in (means, quats, scales, opacities, viewmats, Ks)]
        outputs = [_array(tensor) for tensor in (radii, means2d, depths, roots)]
        run_in_chunks(project, *arrays, lens, *outputs)
        conics = _conics(roots)
        ctx.mark_non_differentiable(radii, conics)
        ctx.save_for_backward(means, quats, scales, viewmats, Ks, radii)
        ctx.lens = lens
        return radii, means2d, depths, roots, conics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        _, v_means2d, v_depths, v_roots, _ = grads
        means, quats, scales, viewmats, Ks, radii = (_array(tensor) for tensor in ctx.saved_tensors)
        outputs = [torch.empty(len(means), size) for size in (3, 4, 3)]
        run_in_chunks(
            project_backward,
            *(means, quats, scales, viewmats, Ks, ctx.lens, radii),
            *(_array(tensor) for tensor in (v_means2d, v_depths, v_roots)),
            *(_array(tensor) for tensor in outputs),
        )
        return *outputs, None, None, None, None


def _bin(
    means2d: Float32Array,
    roots: Float32Array,
    depths: Float32Array,
    opacities: Float32Array,
    radii: Int32Array,
    width: int,
    height: int,
) -> Binning:
    """Return the pairs of Gaussians and tiles."""
    cameras, points = depths.shape
    order, visible = np.empty((cameras, points), np.int32), np.empty(cameras, np.int32)
    run_in_chunks(sort_by_depth, depths.view(np.uint32), radii, order, visible)
    per_tile = np.empty((cameras, -(-height // TILE_HEIGHT), -(-width // TILE_WIDTH)), np.int32)
    per_splat = np.empty((cameras, points), np.int32)
    run_in_chunks(count_pairs, width, height, means2d, roots, opacities, order, visible, per_tile, per_splat)
    tile_starts = _starts(per_tile)
    first_slots = _starts(per_splat)[:-1].reshape(per_splat.shape)
    pairs = np.empty((tile_starts[-1], 4), np.int32)
    next_in_tile = tile_starts[:-1].reshape(per_tile.shape).copy()
    run_in_chunks(
        list_pairs, width, height, means2d, roots, opacities, order, visible, next_in_tile, first_slots, pairs
    )
    return Binning(tile_starts, pairs, first_slots, per_splat)


def _starts(counts: Int32Array) -> Int32Array:
    """Return where each count's items start in one flat list, and its end."""
    ends = np.cumsum(counts.ravel(), dtype=np.int64)
    if len(ends) and ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"expected at most 2^31 pairs of Gaussians and tiles, got {ends[-1]}: use fewer cameras")
    return np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])


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
        with_depth: bool,
        width: int,
        height: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        arrays = [_array(tensor) for tensor in (means2d, roots, depths, opacities, colors, radii)]
        xy, root, depth, opacity, color, radius = arrays
        binning = _bin(xy, root, depth, opacity, radius, width, height)
        features = color.shape[-1] + with_depth
        splats = np.empty((depth.size, FEATURES + -(-features // CHANNELS) * CHANNELS), np.float32)
        with np.errstate(divide="ignore"):  # log 0 belongs to Gaussians that are not seen
            eighth_log2_opacity = np.log2(opacity) * np.float32(0.125)
        run_in_chunks(
            gather_splats, radius, xy, root, depth, opacity, eighth_log2_opacity, color, with_depth, splats
        )
        render = torch.empty(len(depth), height, width, features)
        alphas, median_depth = (torch.empty(len(depth), height, width) for _ in range(2))
        final_T, final_last = (np.empty((len(binning.tile_starts) - 1, PIXELS), np.float32) for _ in range(2))
        backdrop = _array(torch.nn.functional.pad(backgrounds, (0, int(with_depth))))
        outputs = [_array(tensor) for tensor in (render, alphas, median_depth)]
        run_in_chunks(
            blend_tiles, binning.tile_starts, binning.pairs, splats, backdrop, *outputs, final_T, final_last
        )
        ctx.kernel_arrays = binning, splats, backdrop, final_T, final_last
        ctx.with_depth = with_depth
        ctx.save_for_backward(roots, opacities, colors, alphas)
        ctx.mark_non_differentiable(median_depth)
        return render, alphas.unsqueeze(-1), median_depth.unsqueeze(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        roots, opacities, colors, alphas = ctx.saved_tensors
        binning, splats, backdrop, final_T, final_last = ctx.kernel_arrays
        v_render, v_alphas = grads[0], grads[1].squeeze(-1)
        slots = np.empty((len(binning.pairs), SUM_FEATURES + splats.shape[1] - FEATURES), np.float32)
        run_in_chunks(
            unblend_tiles,
            *(binning.tile_starts, binning.pairs, splats, backdrop, final_T, final_last),
            *(_array(v_render), _array(v_alphas), slots),
        )
        shapes = (roots.shape[:-1] + (2,), roots.shape, roots.shape[:-1], opacities.shape, colors.shape)
        gradients = [torch.zeros(shape) for shape in shapes]
        run_in_chunks(
            sum_pairs,
            *(binning.first_slots, binning.pairs_per_splat, slots, _array(roots), _array(opacities)),
            *(_array(gradient) for gradient in gradients),
            ctx.with_depth,
        )
        v_backgrounds = None
        if ctx.needs_input_grad[5]:
            v_backgrounds = ((1.0 - alphas).unsqueeze(-1) * v_render[..., : colors.shape[-1]]).sum(dim=(1, 2))
        return *gradients, v_backgrounds, None, None, None, None
