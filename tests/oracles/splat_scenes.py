# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Scenes of 3D Gaussians, and what a rasteriser makes of them: images and all gradients of one random loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limbeck.representations.rasterize import RenderMode, cpu, reference

INPUTS = ("means", "quats", "scales", "opacities", "colors", "backgrounds")


@dataclass(frozen=True)
class Scene:
    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    backgrounds: Tensor
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int

    def to(self, dtype: torch.dtype) -> "Scene":
        tensors = {name: value.to(dtype) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def render(self, rasterize: Callable[..., Any] = cpu.rasterization, **options: Any) -> Any:
        geometry = (self.means, self.quats, self.scales, self.opacities, self.colors, self.viewmats, self.Ks)
        return rasterize(*geometry, self.width, self.height, **{"backgrounds": self.backgrounds, **options})


@dataclass(frozen=True)
class Result:
    render: Tensor
    alphas: Tensor
    meta: dict[str, Any]
    gradients: dict[str, Tensor]


def cameras(count: int, width: int, height: int, centre: tuple[float, float] = (0.5, 0.5)) -> tuple[Tensor, Tensor]:
    """Return view matrices on a ring of radius 3, and intrinsics; centre is the principal point / image size."""
    viewmats, focal = torch.eye(4).repeat(count, 1, 1), 1.2 * min(width, height)
    for c in range(count):
        cos, sin = math.cos(2 * math.pi * c / count + 0.3), math.sin(2 * math.pi * c / count + 0.3)
        viewmats[c, :3, :3] = torch.tensor([[cos, sin, 0.0], [0.0, 0.0, -1.0], [-sin, cos, 0.0]])
        viewmats[c, 2, 3] = 3.0
    K = [[focal, 0.0, centre[0] * width], [0.0, focal, centre[1] * height], [0.0, 0.0, 1.0]]
    return viewmats, torch.tensor(K).repeat(count, 1, 1)


def ball(
    points: int,
    views: int = 3,
    size: tuple[int, int] = (48, 48),
    *,
    opacity: float = 0.3,
    channels: int = 3,
    centre: tuple[float, float] = (0.5, 0.5),
    seed: int = 0,
) -> Scene:
    """Return Gaussians of all shapes in the unit ball, about as large as their distance."""
    generator = torch.Generator().manual_seed(seed)
    direction = torch.nn.functional.normalize(torch.randn(points, 3, generator=generator), dim=-1)
    viewmats, Ks = cameras(views, *size, centre)
    spacing = 0.5 * (4.19 / max(points, 1)) ** (1 / 3)
    return Scene(
        means=direction * torch.rand(points, 1, generator=generator) ** (1 / 3),
        quats=torch.randn(points, 4, generator=generator),
        scales=spacing * torch.exp(0.6 * torch.randn(points, 3, generator=generator)),
        opacities=torch.sigmoid(torch.randn(points, generator=generator) + math.log(opacity / (1 - opacity))),
        colors=torch.rand(points, channels, generator=generator),
        backgrounds=torch.rand(views, channels, generator=generator),
        viewmats=viewmats,
        Ks=Ks,
        width=size[0],
        height=size[1],
    )


def surface(points: int, views: int = 3, size: tuple[int, int] = (48, 48)) -> Scene:
    """Return flat, nearly opaque Gaussians on a sphere: what optimised scenes look like."""
    scene = ball(points, views, size, opacity=0.95)
    flat = scene.scales * torch.tensor([2.0, 2.0, 0.05])
    return replace(scene, means=torch.nn.functional.normalize(scene.means, dim=-1), scales=flat)


def front_view(scene: Scene, **changes: Any) -> Scene:
    """Return the scene seen from the origin along +z, with changes."""
    focal, width, height = 1.2 * scene.width, scene.width, scene.height
    K = torch.tensor([[[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]]])
    return replace(scene, viewmats=torch.eye(4)[None], Ks=K, backgrounds=scene.backgrounds[:1], **changes)


def run(
    scene: Scene,
    rasterize: Callable[..., Any] = cpu.rasterization,
    render_mode: RenderMode = "RGB+ED",
    **options: Any,
) -> Result:
    """Render and back-propagate a random loss on everything rendered, alpha included."""
    leaves = {name: getattr(scene, name).clone().requires_grad_() for name in INPUTS}
    render, alphas, meta = replace(scene, **leaves).render(rasterize, render_mode=render_mode, **options)
    generator = torch.Generator().manual_seed(1)
    meta["means2d"].retain_grad()
    weights = [torch.randn(x.shape, generator=generator).to(x) for x in (render, alphas)]
    ((render * weights[0]).sum() + (alphas * weights[1]).sum()).backward()
    used = {name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
    return Result(render.detach(), alphas.detach(), meta, {**used, "means2d": meta["means2d"].grad})


def run_oracle(scene: Scene, order_of: Result, **options: Any) -> Result:
    """Run the float64 oracle with another result's order of depth: float32 depths may tie where float64 ones do not."""
    order = reference.depth_order(order_of.meta["depths"].detach())
    return run(scene.to(torch.float64), reference.rasterization, order=order, **options)


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Return the L2 norm of the difference over that of what is expected."""
    return ((actual - expected).norm() / expected.norm().clamp(min=1e-30)).item()
