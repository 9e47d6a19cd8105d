# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise 3D Gaussians on the CPU with numba kernels: no compiler to install, float32, repeatable bit for bit.

Two autograd functions, as in gsplat: projection, then blending; the 2D means between them are part of the graph, so
that densification can read their gradients. Results do not depend on the number of threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from limbeck.representations.rasterize.binning import count_most_pairs, deal_pairs, list_pairs, sort_by_depth
from limbeck.representations.rasterize.blend import blend_tiles
from limbeck.representations.rasterize.compiled import discard_stale_code
from limbeck.representations.rasterize.inputs import RenderMode, check_inputs
from limbeck.representations.rasterize.jit import Float32Array, Float64Array, Int32Array, Int64Array
from limbeck.representations.rasterize.projection import Lens, camera_table, project
from limbeck.representations.rasterize.projection_gradient import project_backward
from limbeck.representations.rasterize.splats import gather_splats, sum_pairs
from limbeck.representations.rasterize.threads import run_in_chunks
from limbeck.representations.rasterize.tiles import CHANNELS, FEATURES, PIXELS, SUM_FEATURES, TILE_HEIGHT, TILE_WIDTH
from limbeck.representations.rasterize.unblend import unblend_tiles


@dataclass(frozen=True)
class Binning:
    """Which Gaussians touch which tile: pairs of tile t are pairs[tile_starts[t] : tile_starts[t + 1]], near to far."""

    tile_starts: Int64Array
    pairs: Int32Array
    splat_slots: Int32Array
    slots: int


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
    radii, means2d, depths, roots, conics = _Project.apply(
        means.float(),
        quats.float(),
        scales.float(),
        thresholds,
        camera_table(_array(viewmats.float()), _array(Ks.float()), lens),
        lens,
    )
    with_colors, with_depth = "RGB" in render_mode, render_mode != "RGB"
    colors = colors.float().expand(1, -1, -1) if colors.dim() == 2 else colors.float()
    colors = colors if with_colors else colors[..., :0]
    if backgrounds is None or not with_colors:
        backgrounds = colors.new_zeros(len(viewmats), colors.shape[-1])
    render, alphas, median_depth = _Blend.apply(
        means2d,
        roots,
        depths,
        opacities.float(),
        colors,
        backgrounds.float(),
        radii,
        thresholds,
        with_depth,
        width,
        height,
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


def _thresholds(opacities: Float[Tensor, "N"]) -> Float64Array:
    """Return twice the exponent at which alpha falls to 1/255; negative or NaN for what is never seen."""
    values = _array(opacities.double())
    if values.max(initial=0.0) > 1.0:
        raise ValueError(f"expected opacities in [0, 1], got up to {values.max()}")
    with np.errstate(divide="ignore", invalid="ignore"):  # opacity 0 or less
        return 2.0 * np.log(255.0 * values)


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
        thresholds: Float64Array,
        cameras: Float64Array,
        lens: Lens,
    ) -> tuple[Int[Tensor, "C N 2"], Tensor, Tensor, Tensor, Tensor]:
        views, points = len(cameras), len(means)
        radii = torch.empty(views, points, 2, dtype=torch.int32)
        means2d, depths, roots = (torch.empty(views, points, *extra) for extra in ((2,), (), (3,)))
        outputs = [_array(tensor) for tensor in (radii, means2d, depths, roots)]
        gaussians = [_array(tensor) for tensor in (means, quats, scales)]
        run_in_chunks(project, *gaussians, thresholds, cameras, lens, *outputs)
        conics = _conics(roots)
        ctx.mark_non_differentiable(radii, conics)
        ctx.save_for_backward(means, quats, scales, radii)
        ctx.cameras, ctx.lens = cameras, lens
        return radii, means2d, depths, roots, conics

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _, v_means2d, v_depths, v_roots, _ = grads
        means, quats, scales, radii = (_array(tensor) for tensor in ctx.saved_tensors)
        outputs = [torch.empty(len(means), size) for size in (3, 4, 3)]
        run_in_chunks(
            project_backward,
            *(means, quats, scales, ctx.cameras, ctx.lens, radii),
            *(_array(tensor) for tensor in (v_means2d, v_depths, v_roots)),
            *(_array(tensor) for tensor in outputs),
        )
        return *outputs, None, None, None


def _bin(
    means2d: Float32Array,
    roots: Float32Array,
    depths: Float32Array,
    thresholds: Float64Array,
    radii: Int32Array,
    width: int,
    height: int,
) -> Binning:
    """Return the pairs of Gaussians and tiles."""
    cameras, points = depths.shape
    order, visible = np.empty((cameras, points), np.int32), np.empty(cameras, np.int32)
    run_in_chunks(sort_by_depth, depths.view(np.uint32), radii, order, visible)
    most_pairs = np.empty(cameras, np.int64)
    run_in_chunks(count_most_pairs, width, height, means2d, radii, order, visible, most_pairs)
    camera_slots = _starts(most_pairs)
    listed = np.empty((camera_slots[-1], 4), np.int32)
    tile_counts = np.zeros((cameras, -(-height // TILE_HEIGHT) * -(-width // TILE_WIDTH)), np.int32)
    splat_slots, camera_ends = np.zeros((cameras, points, 2), np.int32), np.empty(cameras, np.int64)
    run_in_chunks(
        list_pairs,
        *(width, height, means2d, roots, radii, thresholds, order, visible),
        *(camera_slots, camera_ends, listed, tile_counts, splat_slots),
    )
    tile_starts = _starts(tile_counts)
    pairs = np.empty((tile_starts[-1], 4), np.int32)
    next_in_tile = tile_starts[:-1].reshape(tile_counts.shape).copy()
    run_in_chunks(deal_pairs, camera_slots, camera_ends, listed, next_in_tile, pairs)
    return Binning(tile_starts, pairs, splat_slots, len(listed))


def _starts(counts: Int32Array | Int64Array) -> Int64Array:
    """Return where each count's items start in one flat list, and its end."""
    starts = np.zeros(counts.size + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    if starts[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"expected at most 2^31 pairs of Gaussians and tiles, got {starts[-1]}: use fewer cameras")
    return starts


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
        binning = _bin(xy, root, depth, thresholds, radius, width, height)
        features = color.shape[-1] + with_depth
        splats = np.empty((depth.size, FEATURES + -(-features // CHANNELS) * CHANNELS), np.float32)
        run_in_chunks(gather_splats, radius, xy, root, depth, thresholds, color, with_depth, splats)
        render = torch.empty(len(depth), height, width, features)
        alphas, median_depth, T = (torch.empty(len(depth), height, width) for _ in range(3))
        last = np.empty((len(binning.tile_starts) - 1, PIXELS), np.float32)
        backdrop = _array(torch.nn.functional.pad(backgrounds, (0, int(with_depth))))
        outputs = [_array(tensor) for tensor in (render, alphas, median_depth, T)]
        run_in_chunks(blend_tiles, binning.tile_starts, binning.pairs, splats, backdrop, *outputs, last)
        ctx.kernel_arrays = binning, splats, backdrop, last
        ctx.with_depth = with_depth
        ctx.save_for_backward(roots, opacities, colors, T)
        ctx.mark_non_differentiable(median_depth)
        return render, alphas.unsqueeze(-1), median_depth.unsqueeze(-1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        roots, opacities, colors, T = ctx.saved_tensors
        binning, splats, backdrop, last = ctx.kernel_arrays
        v_render, v_alphas = grads[0], grads[1].squeeze(-1)
        slots = np.empty((binning.slots, SUM_FEATURES + splats.shape[1] - FEATURES), np.float32)
        run_in_chunks(
            unblend_tiles,
            *(binning.tile_starts, binning.pairs, splats, backdrop, _array(T), last),
            *(_array(v_render), _array(v_alphas), slots),
        )
        shapes = ((*roots.shape[:-1], 2), roots.shape, roots.shape[:-1], opacities.shape, colors.shape)
        gradients = [torch.zeros(shape) for shape in shapes]
        run_in_chunks(
            sum_pairs,
            *(binning.splat_slots, slots, _array(roots), _array(opacities)),
            *(_array(gradient) for gradient in gradients),
            ctx.with_depth,
        )
        v_backgrounds = None
        if ctx.needs_input_grad[5]:
            v_backgrounds = (T.unsqueeze(-1) * v_render[..., : colors.shape[-1]]).sum(dim=(1, 2))
        return *gradients, v_backgrounds, None, None, None, None, None
