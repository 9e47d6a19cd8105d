# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Correspondence-aware gradient consistency (GSD, sections 4.3 and 4.4): neighbours' scores agree on the same surface.

p_ij = K T_ij (D_i(p) K^-1 p)                                                                  (eq. 11)
g_ji(p) = g_j at p_ij, bilinearly                                                              (eq. 12)
L = sum over pairs and p of o_ij(p) (1 - cos(g_i(p), g_ji(p))) / views                         (eq. 13)

The gradient reaches the rendered depth D_i alone, through where g_j is sampled. The paper samples the nearest pixel,
which has no gradient at all; bilinear sampling has. Like the other losses it is divided by the views of the step. For
the mask o the paper points to another; here: p_ij is inside the image, something opaque is at both ends, and by the
depth of view j it is the same surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import ConfigDict
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity, grid_sample

from limbeck.cameras import Cameras
from limbeck.distillation.context import StepContext
from limbeck.distillation.placing import world_to_pixels
from limbeck.schedules import Schedule, constant

OPAQUE = 0.5
"""Opacity from which a pixel has a surface."""
NEAR = 1e-6

Sampling = Literal["bilinear", "nearest"]


@dataclass(frozen=True)
class Consistency:
    """A loss on rendered depth that makes the scores of neighbouring views agree.

    Attributes:
        weight: lambda_sim, which the paper does not tell, over the run. At 1 the means of Gaussians get gradients of
            about a hundredth to a tenth of SDS's on the embedded prior.
        depth_tolerance: how far apart two views' depths of one place may be to count as one surface, as a share of the
            object's radius.
    """

    weight: Schedule = constant(1.0)
    depth_tolerance: float = 0.05

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse a tolerance that nothing keeps."""
        if self.depth_tolerance <= 0:
            raise ValueError(f"expected a depth_tolerance above 0, got {self.depth_tolerance}")

    def __call__(self, scores: Float[Tensor, "views channels h w"], context: StepContext) -> Float[Tensor, ""]:
        """Return the weighted loss over the context's pairs of views, both ways.

        Args:
            scores: -eps / sigma_t of the guided prediction (eq. 9); two views of a pair share their timestep.
            context: the views; ``pairs`` says which are neighbours.

        Raises:
            ValueError: without pairs.
        """
        if context.pairs is None:
            raise ValueError("expected pairs of neighbouring views for the consistency loss, got none")
        loss = gradient_consistency_loss(
            scores,
            context.rendering.depth[:, 0],
            context.rendering.alpha[:, 0],
            context.cameras,
            torch.cat([context.pairs, context.pairs.flip(1)]),
            self.depth_tolerance * context.radius,
        )
        return self.weight(context.progress) * loss


def gradient_consistency_loss(
    scores: Float[Tensor, "views channels h w"],
    depth: Float[Tensor, "views H W"],
    alpha: Float[Tensor, "views H W"],
    cameras: Cameras,
    pairs: Int[Tensor, "pairs 2"],
    tolerance: float,
    sampling: Sampling = "bilinear",
) -> Float[Tensor, ""]:
    """Return the sum of 1 - cosine over places that both views of a pair see, by view.

    Args:
        scores: gradient maps; taken as constant.
        depth: rendered camera z; what the gradient reaches.
        alpha: rendered opacity; taken as constant.
        cameras: the views.
        pairs: rows (i, j): j's map is warped to i by i's depth.
        tolerance: as ``occlusion_mask`` says.
        sampling: "nearest" is the paper's, and has no gradient.
    """
    scores, alpha = scores.detach(), alpha.detach()
    (h, w), (i, j) = scores.shape[2:], pairs.to(depth.device).unbind(1)
    points = unproject(pooled_depth(depth, alpha, h, w), cameras.resized(w, h))
    places, z = project_into(points[i], cameras, j)
    is_shared = occlusion_mask(places, z, depth[j], alpha[j], tolerance)
    is_shared &= adaptive_avg_pool2d(alpha[i][:, None], (h, w))[:, 0] > OPAQUE
    apart = 1 - cosine_similarity(scores[i], warp(scores[j], places, sampling), dim=1)
    return (apart * is_shared).sum() / len(scores)


def pooled_depth(
    depth: Float[Tensor, "views H W"], alpha: Float[Tensor, "views H W"], h: int, w: int
) -> Float[Tensor, "views h w"]:
    """Return the mean depth of what is opaque, by latent pixel; 0 where nothing is."""
    weight = alpha.detach()
    seen = adaptive_avg_pool2d((depth * weight)[:, None], (h, w))[:, 0]
    return seen / adaptive_avg_pool2d(weight[:, None], (h, w))[:, 0].clamp_min(NEAR)


def unproject(depth: Float[Tensor, "views h w"], cameras: Cameras) -> Float[Tensor, "views h w 3"]:
    """Return the points in the world that pixels' centres show; cameras have the size of ``depth``."""
    rows, columns = torch.arange(cameras.height).to(depth) + 0.5, torch.arange(cameras.width).to(depth) + 0.5
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    rays = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1) @ torch.linalg.inv(cameras.Ks).transpose(1, 2)
    viewmats = cameras.viewmats
    points = (rays * depth.flatten(1)[..., None] - viewmats[:, None, :3, 3]) @ viewmats[:, :3, :3]
    return points.unflatten(1, (cameras.height, cameras.width))


def project_into(
    points: Float[Tensor, "pairs h w 3"], cameras: Cameras, views: Int[Tensor, " pairs"]
) -> tuple[Float[Tensor, "pairs h w 2"], Float[Tensor, "pairs h w"]]:
    """Return where points appear in the given views, -1 to 1 from border to border, x first, and their camera z."""
    matrices = world_to_pixels(cameras)[views][:, None, None]
    x, y, z = ((matrices[..., :3] @ points[..., None])[..., 0] + matrices[..., 3]).unbind(-1)
    ahead = z.clamp_min(NEAR)
    return torch.stack([2 * x / (ahead * cameras.width) - 1, 2 * y / (ahead * cameras.height) - 1], -1), z


def warp(
    maps: Float[Tensor, "pairs channels H W"], places: Float[Tensor, "pairs h w 2"], sampling: Sampling = "bilinear"
) -> Float[Tensor, "pairs channels h w"]:
    """Return the maps at places as ``project_into`` gives them; the border's beyond it."""
    return grid_sample(maps, places, mode=sampling, padding_mode="border", align_corners=False)


@torch.no_grad()
def occlusion_mask(
    places: Float[Tensor, "pairs h w 2"],
    z: Float[Tensor, "pairs h w"],
    depth: Float[Tensor, "pairs H W"],
    alpha: Float[Tensor, "pairs H W"],
    tolerance: float,
) -> Bool[Tensor, "pairs h w"]:
    """Return which points the other view sees too.

    Args:
        places, z: where the points are in the other view, as ``project_into`` gives them.
        depth, alpha: what the other view rendered.
        tolerance: a point farther than this from the other view's depth is hidden.
    """
    is_inside = (places.abs() <= 1).all(-1) & (z > 0)
    opacity = warp(alpha[:, None], places)[:, 0]
    surface = warp((depth * alpha)[:, None], places)[:, 0] / opacity.clamp_min(NEAR)
    return is_inside & (opacity > OPAQUE) & ((z - surface).abs() < tolerance)
