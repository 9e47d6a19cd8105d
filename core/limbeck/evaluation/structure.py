# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Does the ControlNet hold samples to a depth map? Silhouettes of samples with and without it against the map's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from limbeck.distillation.sampling import Sampler, draw
from limbeck.evaluation.silhouettes import intersection_over_union, silhouette
from limbeck.evaluation.toys import held_out_toys
from limbeck.playset.captions import caption, view_word
from limbeck.playset.render import render_many
from limbeck.playset.things import Thing
from limbeck.priors.control import depth_control
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.prior import Cond

BATCH = 25
SAMPLER = Sampler(steps=25, guidance_scale=4.0)


@dataclass(frozen=True)
class Controlled:
    """Depth controls, and what the prior draws of the same words from the same noise without and with them."""

    toys: list[Thing]
    control: Float[Tensor, "maps 3 H W"]
    is_object: Bool[Tensor, "maps H W"]
    without: Float[Tensor, "maps 3 H W"]
    controlled: Float[Tensor, "maps 3 H W"]


def measure(prior: DiffusionPrior, *, maps: int = 100, seed: int = 0) -> dict[str, Any]:
    """Return the mean silhouette IoU with the depth map, with the control and without."""
    drawn = draw_controlled(prior, maps, seed=seed)
    with_control = intersection_over_union(silhouette(drawn.controlled), drawn.is_object)
    without = intersection_over_union(silhouette(drawn.without), drawn.is_object)
    return {
        "maps": maps,
        "iou_with_control": round(float(with_control.mean()), 4),
        "iou_without": round(float(without.mean()), 4),
        "better_share": round(float((with_control > without).float().mean()), 4),
    }


def draw_controlled(prior: DiffusionPrior, maps: int, *, seed: int, scale: float = 1.0) -> Controlled:
    """Render depth of held-out toys from all round; the words name object, colour and view.

    Args:
        scale: of the control.
    """
    rng, device = np.random.default_rng((seed, 3)), prior.alphas_cumprod.device
    toys = held_out_toys(maps, seed)
    azimuths, elevations = list(rng.uniform(-180, 180, maps)), list(rng.uniform(0, 30, maps))
    depth = torch.from_numpy(np.stack([view.depth for view in render_many(toys, azimuths, elevations)])).to(device)
    control = depth_control(depth, depth > 0)
    texts = [caption(toy.noun, toy.color, view=view_word(angle)) for toy, angle in zip(toys, azimuths, strict=True)]
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(maps, *prior.encode(control[:1]).shape[1:], generator=generator).to(device)
    images: dict[float, list[Tensor]] = {0.0: [], scale: []}
    for start in range(0, maps, BATCH):
        part = slice(start, start + BATCH)
        for gate, drawn in images.items():
            drawn.append(_draw(prior, texts[part], control[part], noise[part], gate))
    return Controlled(toys, control, depth > 0, torch.cat(images[0.0]), torch.cat(images[scale]))


def _draw(prior: DiffusionPrior, texts: list[str], control: Tensor, noise: Tensor, scale: float) -> Tensor:
    gate = torch.full((len(texts),), scale).to(control)
    cond = Cond(prior.encode_text(texts), control=control, control_scale=gate)
    uncond = Cond(prior.encode_text([""] * len(texts)), control=control, control_scale=gate)
    return prior.decode(draw(prior, cond, uncond, noise, SAMPLER))
