# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Rasterise 3D Gaussians in plain torch: slow, dense, differentiable, any dtype; the oracle of the other backends.

Every pixel looks at every Gaussian, so memory grows with pixels x Gaussians; `rasterization` goes row by row.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.representations.rasterize.inputs import RenderMode, check_inputs

MIN_ALPHA, MAX_ALPHA, MIN_TRANSMITTANCE, MAX_SIGMAS = 1.0 / 255.0, 0.999, 1e-4, 3.33


@dataclass(frozen=True)
class Projected:
    """Gaussians as cameras see them. Covariances are in square pixels and include the blur eps2d."""

    means2d: Float[Tensor, "C N 2"]
    depths: Float[Tensor, "C N"]
    conics: Float[Tensor, "C N 3"]
    radii: Int[Tensor, "C N 2"]


def rotation_matrices(quats: Float[Tensor, "N 4"]) -> Float[Tensor, "N 3 3"]:
    """Turn quaternions wxyz, normalised here, into rotation matrices; a zero quaternion is no rotation."""
    w, x, y, z = (quats / quats.norm(dim=-1, keepdim=True).clamp(min=1e-12)).unbind(-1)
    entries = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(entries, dim=-1).reshape(-1, 3, 3)


def jacobians(
    points: Float[Tensor, "C N 3"], Ks: Float[Tensor, "C 3 3"], width: int, height: int
) -> Float[Tensor, "C N 2 3"]:
    """Return the derivative of pixels by camera-space position, taken at most 30 % of a half-image off-screen."""
    x, y, z = points.unbind(-1)
    rows = []
    for slope, axis, size in ((x / z, 0, width), (y / z, 1, height)):
        focal, centre = Ks[:, axis, axis, None], Ks[:, axis, 2, None]
        margin = 0.3 * 0.5 * size / focal
        limited = torch.maximum(torch.minimum(slope, (size - centre) / focal + margin), -centre / focal - margin)
        row = [torch.zeros_like(z), torch.zeros_like(z), -focal * limited / z]
        row[axis] = focal / z
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)


def project(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    opacities: Float[Tensor, "N"],
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    *,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    radius_clip: float = 0.0,
    eps2d: float = 0.3,
) -> Projected:
    """Project Gaussians (EWA splatting). Radii, in pixels, are 0 for what is not seen."""
    rotations = viewmats[:, :3, :3]
    points = torch.einsum("cij,nj->cni", rotations, means) + viewmats[:, None, :3, 3]
    depths = points[..., 2]
    in_front = (depths >= near_plane) & (depths <= far_plane)
    # Points behind a camera are moved before they are divided by their depth: 0 * inf would poison the gradients.
    points = torch.where(in_front[..., None], points, points.new_tensor([0.0, 0.0, 1.0]))
    spread = rotation_matrices(quats) * scales[:, None, :]
    spread2d = torch.einsum("cnij,cjk,nkl->cnil", jacobians(points, Ks, width, height), rotations, spread)
    covariances = spread2d @ spread2d.mT + eps2d * torch.eye(2, dtype=means.dtype, device=means.device)
    xx, xy, yy = covariances[..., 0, 0], covariances[..., 0, 1], covariances[..., 1, 1]
    conics = torch.stack([yy, -xy, xx], dim=-1) / (xx * yy - xy * xy)[..., None]
    focals = torch.stack([Ks[:, 0, 0], Ks[:, 1, 1]], dim=-1)
    means2d = focals[:, None] * points[..., :2] / points[..., 2:] + Ks[:, None, :2, 2]
    with torch.no_grad():
        extents = (2.0 * torch.log(opacities.clamp(min=MIN_ALPHA) / MIN_ALPHA)).sqrt().clamp(max=MAX_SIGMAS)
        radii = torch.ceil(extents[:, None] * torch.stack([xx, yy], dim=-1).sqrt())
        seen = in_front & (opacities >= MIN_ALPHA) & (radii.amax(-1) > radius_clip)
        seen &= (means2d + radii > 0).all(-1) & (means2d - radii < radii.new_tensor([width, height])).all(-1)
        radii = torch.where(seen[..., None], radii, 0.0).clamp(max=1e9).int()
    return Projected(means2d, depths, conics, radii)


def blend(
    pixels: Float[Tensor, "P 2"],
    means2d: Float[Tensor, "M 2"],
    conics: Float[Tensor, "M 3"],
    opacities: Float[Tensor, "M"],
) -> Float[Tensor, "P M"]:
    """Return the weight alpha * transmittance of every Gaussian, given near to far, in every pixel."""
    dx, dy = (pixels[:, None] - means2d).unbind(-1)
    a, b, c = conics.unbind(-1)
    sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
    with torch.no_grad():
        hit = opacities * torch.exp(-sigma) >= MIN_ALPHA
    # Masked inside the exponential: a huge sigma times a zero gradient must not make NaN.
    alpha = (opacities * torch.exp(-torch.where(hit, sigma, 0.0))).clamp(max=MAX_ALPHA) * hit
    with torch.no_grad():
        open_after = torch.cumprod(1.0 - alpha, dim=-1) > MIN_TRANSMITTANCE
    alpha = alpha * open_after
    transmittance = torch.cumprod(1.0 - alpha, dim=-1)
    before = torch.cat([torch.ones_like(transmittance[:, :1]), transmittance[:, :-1]], dim=-1)
    return alpha * before


def depth_order(depths: Float[Tensor, "C N"]) -> Int[Tensor, "C N"]:
    """Return indices from near to far, ties in order of index."""
    return torch.argsort(depths, dim=-1, stable=True)


def median_depths(weights: Float[Tensor, "P M"], depths: Float[Tensor, "M"]) -> Float[Tensor, "P 1"]:
    """Return the depth at which transmittance passes 0.5, or 0 where it never does."""
    covered = weights.cumsum(-1) >= 0.5
    first = covered.int().argmax(-1, keepdim=True)
    return torch.where(covered.any(-1, keepdim=True), depths[first], 0.0)


def pixel_centres(width: int, rows: range, like: Tensor) -> Float[Tensor, "P 2"]:
    """Return the centres (x, y) of the pixels in some rows of an image."""
    y, x = torch.meshgrid(
        torch.arange(rows.start, rows.stop, dtype=like.dtype, device=like.device),
        torch.arange(width, dtype=like.dtype, device=like.device),
        indexing="ij",
    )
    return torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5


def _render_camera(
    projected: Projected,
    camera: int,
    opacities: Float[Tensor, "N"],
    features: Float[Tensor, "N K"],
    order: Int[Tensor, "N"],
    size: tuple[int, int],
) -> tuple[Float[Tensor, "H W K"], Float[Tensor, "H W 1"], Float[Tensor, "H W 1"]]:
    width, height = size
    order = order[projected.radii[camera, order].amin(-1) > 0]
    means2d, conics = projected.means2d[camera, order], projected.conics[camera, order]
    rows = []
    for row in range(height):
        weights = blend(pixel_centres(width, range(row, row + 1), means2d), means2d, conics, opacities[order])
        median = median_depths(weights.detach(), projected.depths[camera, order].detach())
        rows.append((weights @ features[order], weights.sum(-1, keepdim=True), median))
    render, alpha, median = (torch.stack(parts) for parts in zip(*rows, strict=True))
    return render, alpha, median


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
    order: Int[Tensor, "C N"] | None = None,
) -> tuple[Float[Tensor, "C H W X"], Float[Tensor, "C H W 1"], dict[str, Any]]:
    """Render Gaussians; arguments, results and units as in choose.py.

    Args:
        order: Gaussians of each camera from near to far, where another backend's order is wanted; by default depth,
            ties by index.
    """
    check_inputs(means, quats, scales, opacities, colors, viewmats, Ks, width, height, backgrounds, render_mode)
    cameras = len(viewmats)
    projected = project(
        *(means, quats, scales, opacities, viewmats, Ks, width, height),
        near_plane=near_plane,
        far_plane=far_plane,
        radius_clip=radius_clip,
        eps2d=eps2d,
    )
    order = depth_order(projected.depths.detach()) if order is None else order
    colors = colors.expand(cameras, -1, -1)
    features = {"RGB": [colors], "D": [projected.depths[..., None]]}.get(
        render_mode.replace("E", ""), [colors, projected.depths[..., None]]
    )
    views = [
        _render_camera(projected, c, opacities, torch.cat(features, -1)[c], order[c], (width, height))
        for c in range(cameras)
    ]
    render, alphas, median = (torch.stack(parts) for parts in zip(*views, strict=True))
    render = _finish(render, alphas, backgrounds, render_mode)
    meta = {
        "means2d": projected.means2d,
        "radii": projected.radii,
        "depths": projected.depths,
        "conics": projected.conics,
        "opacities": opacities.expand(cameras, -1),
        "median_depth": median,
        "width": width,
        "height": height,
        "n_cameras": cameras,
    }
    return render, alphas, meta


def _finish(
    render: Float[Tensor, "C H W K"],
    alphas: Float[Tensor, "C H W 1"],
    backgrounds: Float[Tensor, "C D"] | None,
    render_mode: RenderMode,
) -> Float[Tensor, "C H W K"]:
    """Add backgrounds to the colours, and turn accumulated into expected depth."""
    colors, depth = (render, render[..., :0]) if render_mode == "RGB" else (render[..., :-1], render[..., -1:])
    if backgrounds is not None and "RGB" in render_mode:
        colors = colors + (1.0 - alphas) * backgrounds[:, None, None]
    if "ED" in render_mode:
        depth = depth / alphas.clamp(min=1e-10)
    return torch.cat([colors, depth], dim=-1)
