# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A differentiable mesh rasteriser: z-buffer, perspective-correct weights, and antialiased outlines.

As in nvdiffrast (Laine et al. 2020, arXiv:2011.03277): which face a pixel sees has no gradient (section 3.2); what it
sees there has one through the weights of the corners (3.2), and outlines have one because a pixel that an outline cuts
is blended with its neighbour by how much is covered (3.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.representations.meshes.kernels import find_cuts, find_faces
from limbeck.representations.rasterize.threads import run_in_chunks


@dataclass(frozen=True)
class Seen:
    """What the pixels of all views see; pixels are numbered through views, rows and columns.

    Attributes:
        faces: face of each pixel, -1 where there is none [V, H, W].
        covered: the numbers of the pixels that see one, ascending.
        weights: perspective-correct weights of the three corners, at the covered pixels; differentiable.
        z: camera z at the covered pixels; differentiable.
    """

    faces: Int[Tensor, "views H W"]
    covered: Int[Tensor, " covered"]
    weights: Float[Tensor, "covered 3"]
    z: Float[Tensor, " covered"]


def project(vertices: Float[Tensor, "vertices 3"], cameras: Cameras) -> Float[Tensor, "views vertices 3"]:
    """Return x and y in pixels and camera z of vertices; differentiable."""
    viewmats = cameras.viewmats
    local = vertices @ viewmats[:, :3, :3].transpose(1, 2) + viewmats[:, None, :3, 3]
    z = local[..., 2:]
    focal, centre = cameras.Ks[:, None, (0, 1), (0, 1)], cameras.Ks[:, None, :2, 2]
    ahead = torch.where(z > 1e-6, z, torch.ones_like(z))
    return torch.cat([local[..., :2] / ahead * focal + centre, z], -1)


def rasterize(
    projected: Float[Tensor, "views vertices 3"], faces: Int[Tensor, "faces 3"], width: int, height: int
) -> Seen:
    """Find what every pixel's centre sees; faces have two sides.

    Args:
        projected: as ``project`` returns it.
        faces: vertex numbers.
        width: of the images in pixels.
        height: of the images in pixels.
    """
    screen = projected.detach().cpu().double().numpy()
    found = np.full((len(screen), height, width), -1, np.int32)
    nearness = np.zeros(found.shape, np.float64)
    pixels, z = np.ascontiguousarray(screen[..., :2]), np.ascontiguousarray(screen[..., 2])
    run_in_chunks(find_faces, pixels, z, faces.cpu().numpy(), found, nearness)
    ids = torch.from_numpy(found).to(projected.device)
    covered = (ids.flatten() >= 0).nonzero()[:, 0]
    corners = corners_at(projected, faces, ids, covered)
    weights, depth = weights_at(corners, pixel_centres(covered, width, height))
    return Seen(ids, covered, weights, depth)


def corners_at(
    projected: Float[Tensor, "views vertices 3"],
    faces: Int[Tensor, "faces 3"],
    ids: Int[Tensor, "views H W"],
    at: Int[Tensor, " n"],
) -> Float[Tensor, "n 3 3"]:
    """Return the projected corners of the faces that some pixels see."""
    views, vertices = projected.shape[:2]
    view = at // (ids.shape[1] * ids.shape[2])
    rows = view[:, None] * vertices + faces[ids.flatten()[at].long()]
    # An embedding, because its gradient is summed in a fixed order on any number of threads.
    return torch.nn.functional.embedding(rows, projected.reshape(views * vertices, 3))


def pixel_centres(at: Int[Tensor, " n"], width: int, height: int) -> Float[Tensor, "n 2"]:
    """Return x and y of pixels' centres."""
    place = at % (width * height)
    return torch.stack([place % width, place // width], -1).float() + 0.5


def weights_at(
    corners: Float[Tensor, "n 3 3"], places: Float[Tensor, "n 2"]
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, " n"]]:
    """Return the perspective-correct weights of the corners at places in the image, and the camera z there."""
    a, b, c = (corners[:, i, :2] - places for i in range(3))
    areas = torch.stack([_cross(b, c), _cross(c, a), _cross(a, b)], -1)
    over_z = areas / areas.sum(-1, keepdim=True) / corners[..., 2]
    total = over_z.sum(-1, keepdim=True)
    return over_z / total, 1 / total[:, 0]


def edges_with_faces(faces: Int[ndarray, "faces 3"]) -> Int[ndarray, "edges 4"]:
    """Return every edge's ends and the third vertices of the faces on either side, -1 where there is no second one.

    An edge of more than two faces comes once for each, as if they ended there, so that it can be an outline.
    """
    corners = np.concatenate([np.roll(faces, -turn, axis=1) for turn in range(3)]).astype(np.int64)
    ends, third = np.sort(corners[:, :2], axis=1), corners[:, 2]
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    ends, third = ends[order], third[order]
    is_first = np.r_[True, (ends[1:] != ends[:-1]).any(1)]
    count = np.bincount(np.cumsum(is_first) - 1)
    has_two = np.repeat(count == 2, count)
    across = np.where(has_two, np.roll(third, -1), -1)
    is_kept = is_first | ~has_two
    return np.concatenate([ends, third[:, None], across[:, None]], 1)[is_kept]


def antialias(
    images: Float[Tensor, "views H W channels"],
    seen: Seen,
    projected: Float[Tensor, "views vertices 3"],
    edges: Int[Tensor, "edges 4"],
) -> Float[Tensor, "views H W channels"]:
    """Blend the pixels that an outline cuts with their neighbours; differentiable in images and vertices.

    nvdiffrast looks for outlines among the edges of the faces that pixels see, which misses those of faces smaller than
    a pixel; here all outlines are drawn, so that dense meshes have gradients too.

    Args:
        images: values at pixels' centres.
        seen: what they see.
        projected: as ``project`` returns it.
        edges: as ``edges_with_faces`` returns it.
    """
    channels = images.shape[-1]
    flat = total = images.reshape(-1, channels)
    cuts = _found_cuts(seen, projected, edges).to(flat.device)
    for axis in range(2):
        at = (cuts[axis, ..., 2].flatten() >= 0).nonzero()[:, 0]
        cut = cuts[axis].reshape(-1, 3)[at].long()
        beside, is_after = at + (1 if axis == 0 else images.shape[2]), cut[:, 2] == 1
        front, back = torch.where(is_after, beside, at), torch.where(is_after, at, beside)
        towards = torch.where(is_after, -1.0, 1.0).to(flat)
        reach = _reach(front, towards, axis, cut, seen, projected)[:, None]
        change = flat[back] - flat[front]
        total = total.index_add(0, front, (0.5 - reach).clamp_min(0) * change)
        total = total.index_add(0, back, -(reach - 0.5).clamp_min(0) * change)
    return total.view(images.shape)


def _found_cuts(
    seen: Seen, projected: Float[Tensor, "views vertices 3"], edges: Int[Tensor, "edges 4"]
) -> Int[Tensor, "two views H W three"]:
    screen = projected.detach().cpu().double().numpy()
    nearness = np.zeros(seen.faces.numel())
    nearness[seen.covered.cpu().numpy()] = 1 / seen.z.detach().cpu().double().numpy()
    nearness = nearness.reshape(seen.faces.shape)
    cuts, reaches = np.full((2, *nearness.shape, 3), -1, np.int32), np.full((2, *nearness.shape), -1.0)
    pixels, z = np.ascontiguousarray(screen[..., :2]), np.ascontiguousarray(screen[..., 2])
    run_in_chunks(find_cuts, pixels, z, edges.cpu().numpy(), nearness, cuts, reaches)
    return torch.from_numpy(cuts)


def _reach(
    front: Int[Tensor, " cuts"],
    towards: Float[Tensor, " cuts"],
    axis: int,
    cut: Int[Tensor, "cuts 3"],
    seen: Seen,
    projected: Float[Tensor, "views vertices 3"],
) -> Float[Tensor, " cuts"]:
    """Return how far from the front pixel's centre the outline is, on the way to its neighbour.

    Args:
        front: pixels that see the nearer surface.
        towards: 1 or -1: on which side along ``axis`` (0 is x, 1 is y) the neighbour is.
        axis: along which the two pixels lie.
        cut: ends of the edges that pass between them.
        seen: what pixels see.
        projected: as ``project`` returns it.
    """
    _, H, W = seen.faces.shape
    views, vertices = projected.shape[:2]
    rows = (front // (H * W))[:, None] * vertices + cut[:, :2]
    ends = torch.nn.functional.embedding(rows, projected.reshape(views * vertices, 3))
    centre, other = pixel_centres(front, W, H), 1 - axis
    p, q = ends[:, 0], ends[:, 1]
    share = (centre[:, other] - p[:, other]) / (q[:, other] - p[:, other])
    return (p[:, axis] + share * (q[:, axis] - p[:, axis]) - centre[:, axis]) * towards


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
