# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Does the novel-view prior turn things? Its silhouettes against the true ones, and against the input's, unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.distillation.sampling import Sampler, draw
from limbeck.evaluation.silhouettes import intersection_over_union, silhouette
from limbeck.evaluation.toys import held_out_toys, over
from limbeck.playset.render import DISTANCE, View, render_many
from limbeck.playset.things import Thing
from limbeck.priors.novel_view import NovelViewPrior, Viewpoints

BATCH = 25
SAMPLER = Sampler(steps=25, guidance_scale=3.0)
BACKGROUND = 0.4
"""A grey that few parts of the toys have."""
TURN_DEG = (30.0, 330.0)
REFERENCES: Mapping[str, float] = {"front": 20.0, "any": 180.0}
"""From how far round the front references are seen, in degrees: as users' pictures mostly are, and from all sides."""


@dataclass(frozen=True)
class Turned:
    """Reference views, what other cameras truly see, and what the prior draws of it."""

    toys: list[Thing]
    reference: Float[Tensor, "pairs 3 H W"]
    target: Float[Tensor, "pairs 3 H W"]
    generated: Float[Tensor, "pairs 3 H W"]
    is_reference: Bool[Tensor, "pairs H W"]
    is_target: Bool[Tensor, "pairs H W"]


def measure(prior: NovelViewPrior, *, pairs: int = 100, seed: int = 0) -> dict[str, Any]:
    """Return mean silhouette IoU with the true view: of the generated one, and of the reference returned unchanged.

    For references from the front and from all sides (``REFERENCES``). The colour error is the root mean square
    difference from the true render, for both.
    """
    turned = {name: draw_turned(prior, pairs, seed=seed, within_deg=within) for name, within in REFERENCES.items()}
    return {"pairs": pairs, **{f"references_{name}": compare(found) for name, found in turned.items()}}


def compare(turned: Turned) -> dict[str, float | None]:
    """Return what generated views and unchanged references have in common with the true views."""
    behind = torch.full((len(turned.toys), 3), BACKGROUND, device=turned.generated.device)
    generated = intersection_over_union(silhouette(turned.generated, behind), turned.is_target)
    unchanged = intersection_over_union(turned.is_reference, turned.is_target)
    has_front = torch.tensor([toy.has_front for toy in turned.toys], device=generated.device)
    return {
        "iou_generated": _mean(generated),
        "iou_input_unchanged": _mean(unchanged),
        "better_share": _mean(generated > unchanged),
        "iou_generated_with_front": _mean(generated[has_front]),
        "iou_input_unchanged_with_front": _mean(unchanged[has_front]),
        "color_error_generated": _mean(_color_error(turned.generated, turned.target)),
        "color_error_input_unchanged": _mean(_color_error(turned.reference, turned.target)),
    }


def _mean(values: Tensor) -> float | None:
    return round(float(values.float().mean()), 4) if len(values) else None


def _color_error(images: Tensor, truth: Tensor) -> Tensor:
    return (images - truth).square().mean((1, 2, 3)).sqrt()


def draw_turned(prior: NovelViewPrior, pairs: int, *, seed: int, within_deg: float = 180.0) -> Turned:
    """Render held-out toys from two cameras, 30 degrees apart or more, and draw the second view from the first.

    The first camera is within ``within_deg`` of the front.
    """
    rng, device = np.random.default_rng((seed, 2)), prior.alphas_cumprod.device
    toys = held_out_toys(pairs, seed)
    azimuths = rng.uniform(-within_deg, within_deg, pairs)
    turned = azimuths + rng.uniform(*TURN_DEG, pairs)
    angles = [(azimuth, rng.uniform(0, 30, pairs)) for azimuth in (azimuths, turned)]
    first, second = (render_many(toys, list(azimuth), list(elevation)) for azimuth, elevation in angles)
    behind = torch.full((pairs, 3), BACKGROUND)
    reference, target = over(first, behind).to(device), over(second, behind).to(device)
    viewpoints = [_viewpoints(azimuth, elevation).to(device) for azimuth, elevation in angles]
    generator = torch.Generator().manual_seed(seed)
    generated = []
    for start in range(0, pairs, BATCH):
        part = slice(start, start + BATCH)
        cond = prior.condition(reference[part], viewpoints[0].select(part), viewpoints[1].select(part))
        shape = prior.encode(reference[part]).shape
        noise = torch.randn(shape, generator=generator).to(device)
        generated.append(prior.decode(draw(prior, cond, prior.unconditional(cond), noise, SAMPLER)))
    is_reference, is_target = (_covered(views).to(device) for views in (first, second))
    return Turned(toys, reference, target, torch.cat(generated), is_reference, is_target)


def _viewpoints(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> Viewpoints:
    elevation, azimuth = (torch.from_numpy(angle.astype(np.float32)) for angle in (elevation_deg, azimuth_deg))
    return Viewpoints(elevation, azimuth, torch.full_like(azimuth, DISTANCE))


def _covered(views: list[View]) -> Bool[Tensor, "views H W"]:
    return torch.from_numpy(np.stack([view.rgba[..., 3] > 127 for view in views]))
