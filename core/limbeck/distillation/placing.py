# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where the children of points fall: into at most one pixel of each view (GSD, section 4.2, figure 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch import Tensor

from limbeck.cameras import Cameras

MAX_SPHERE_POINTS = 200_000
"""Before those that no view sees are left out; only lenses of a few degrees need more, and leave pixels to fill."""
REACH = 4.0
"""Standard deviations beyond which a point's children are not looked for: one of 10,000 along each axis."""
NEAR = 1e-6


@dataclass(frozen=True)
class PointCloud:
    """Where the noise sits.

    Attributes:
        points: in world units.
        sigmas: how far a point's children spread; for points that are no Gaussians see ``spacing_sigmas``.
        radius: of the ball round the origin that holds the object.
    """

    points: Float[Tensor, "points 3"]
    sigmas: Float[Tensor, " points"]
    radius: float = 1.0


@dataclass(frozen=True)
class Placed:
    """Which children fall into which pixels; a child that a view does not see is not listed for it.

    Attributes:
        pixels: (view * height + row) * width + column.
        children: child of the same entry; the children of a point are contiguous.
        total: how many children there are, seen or not.
    """

    pixels: Int[Tensor, " seen"]
    children: Int[Tensor, " seen"]
    total: int


def scatter(
    cloud: PointCloud,
    cameras: Cameras,
    depth: Float[Tensor, "views H W"] | None,
    tolerance: float,
    count: int,
    generator: torch.Generator,
) -> Placed:
    """Draw ``count`` children around every point, normally distributed, and project them.

    Args:
        cloud: the points; one that is itself out of reach of a view by four of its sigmas has no children there.
        cameras: the views.
        depth: as ``integral_noise`` says.
        tolerance: a child farther than this from the depth at its place is not on the surface.
        count: children of a point.
        generator: CPU generator.
    """
    points = cloud.points
    children = torch.randn(len(points), count, 3, generator=generator).to(points)
    children.mul_(cloud.sigmas[:, None, None]).add_(points[:, None])
    is_near = are_within_reach(cloud, cameras, depth, tolerance)
    siblings = torch.arange(count, device=points.device)
    pixels, seen = [], []
    for view, matrix in enumerate(world_to_pixels(cameras).to(points)):
        near = is_near[view].nonzero()
        x, y, z = _project(children[near[:, 0]].flatten(0, 1), matrix)
        is_seen = (z > 0) & (x >= 0) & (x < cameras.width) & (y >= 0) & (y < cameras.height)
        if depth is not None:
            surface = _look_up(depth[view], x / cameras.width, y / cameras.height)
            is_seen &= ((z - surface).abs() < tolerance) & (surface > 0)
        at = (y.long() + view * cameras.height) * cameras.width + x.long()
        pixels.append(at[is_seen])
        seen.append((near * count + siblings).flatten()[is_seen])
    return Placed(torch.cat(pixels), torch.cat(seen), len(points) * count)


def are_within_reach(
    cloud: PointCloud, cameras: Cameras, depth: Float[Tensor, "views H W"] | None, tolerance: float
) -> Bool[Tensor, "views points"]:
    """Return which points are so near to a view's frustum and surface that children can be seen there."""
    near = []
    for view, matrix in enumerate(world_to_pixels(cameras).to(cloud.points)):
        x, y, z = _project(cloud.points, matrix)
        reach = REACH * cloud.sigmas
        margin = reach * cameras.Ks[view, 0, 0].to(reach) / z.clamp_min(NEAR)
        is_near = (z > -reach) & (x > -margin) & (x < cameras.width + margin)
        is_near &= (y > -margin) & (y < cameras.height + margin)
        if depth is not None:
            surface = _look_up(depth[view], x / cameras.width, y / cameras.height)
            is_near &= ((z - surface).abs() < tolerance + reach) | (surface == 0)
        near.append(is_near)
    return torch.stack(near)


def world_to_pixels(cameras: Cameras) -> Float[Tensor, "views 3 4"]:
    """Return the matrices from world coordinates to (x z, y z, z), x and y in pixels."""
    return cameras.Ks @ cameras.viewmats[:, :3]


def _project(points: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    x, y, z = torch.addmm(matrix[:, 3:], matrix[:, :3], points.T).unbind(0)
    ahead = z.clamp_min(NEAR)
    return x / ahead, y / ahead, z


def _look_up(depth: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return the nearest depth at places in 0 to 1; the border's outside."""
    H, W = depth.shape
    column, row = (x * W).long().clamp_(0, W - 1), (y * H).long().clamp_(0, H - 1)
    return depth.detach()[row, column]


def background_sphere(cameras: Cameras, least_radius: float, per_pixel: float, count: int) -> PointCloud:
    """Return those points behind everything that some view can see.

    They are a Fibonacci lattice, and their children spread by half its spacing, so that pixels get about as many. All
    of it is computed on the CPU: how many draws follow must not depend on another device's rounding.

    Args:
        cameras: the views; all stay inside.
        least_radius: of the sphere, which is at least twice as far as the farthest camera.
        per_pixel: children that a pixel in the centre of a view gets on average.
        count: children of a point.
    """
    cameras = cameras.to(torch.device("cpu"))
    farthest = float(cameras.c2w[:, :3, 3].norm(dim=-1).max())
    radius = max(least_radius, 2 * farthest)
    # A pixel in the centre of a view covers 1 / focal^2 of the sphere's 4 pi.
    solid_angle = float(cameras.Ks[:, 0, 0].amax()) ** -2
    points = min(math.ceil(per_pixel * 4 * math.pi / solid_angle / count), MAX_SPHERE_POINTS)
    spacing = radius * math.sqrt(4 * math.pi / max(points, 1))
    sphere = PointCloud(radius * fibonacci_lattice(points), torch.full((points,), spacing / 2), radius)
    is_near = are_within_reach(sphere, cameras, None, 0.0).any(0)
    return PointCloud(sphere.points[is_near], sphere.sigmas[is_near], radius)


def fibonacci_lattice(count: int) -> Float[Tensor, "points 3"]:
    """Return points that are spread evenly over the unit sphere."""
    at = torch.arange(count, dtype=torch.float64)
    z = 1 - (2 * at + 1) / max(count, 1)
    angle = at * (math.pi * (3 - math.sqrt(5)))
    around = (1 - z.square()).sqrt()
    return torch.stack([around * torch.cos(angle), around * torch.sin(angle), z], -1).float()


def shared_children(placed: Placed, size: int, first: int, second: int) -> Int[Tensor, "size size"]:
    """Return how many children every pixel of one view shares with every pixel of another.

    Over sqrt(|children 1| |children 2|) it is the correlation of their noise; between a view and itself it is diagonal.

    Args:
        placed: the children.
        size: pixels of a view.
        first, second: the views.
    """
    at = torch.full((2, placed.total), -1).to(placed.pixels)
    for row, view in enumerate((first, second)):
        is_here = placed.pixels // size == view
        at[row, placed.children[is_here]] = placed.pixels[is_here] % size
    one, other = at[:, (at >= 0).all(0)]
    return torch.bincount(one * size + other, minlength=size * size).view(size, size)


def shared_share(placed: Placed) -> float:
    """Return what share of all that views see is seen by another view as well; 0 where nothing is seen."""
    views_that_see = torch.bincount(placed.children, minlength=1)
    shared = views_that_see[views_that_see > 1].sum()
    return float(shared / max(len(placed.children), 1))


def spacing_sigmas(points: Float[Tensor, "points 3"], neighbours: int = 3) -> Float[Tensor, " points"]:
    """Return half of each point's mean distance to its nearest neighbours, for points that are no Gaussians."""
    places, count = points.detach().cpu().numpy(), min(neighbours, len(points) - 1)
    if count < 1:
        raise ValueError(f"expected at least two points, which have a distance, got {len(points)}")
    found = KDTree(places).query(places, k=count + 1)[0]
    return torch.from_numpy(found[:, 1:].mean(1) / 2).to(points)
