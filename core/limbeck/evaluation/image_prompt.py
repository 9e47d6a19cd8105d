# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Does the image prompt bring samples closer to the reference than words alone?

References are renders of held-out object-colour pairs, each with a pattern or unusual proportions that the prompt does
not name. Both samples of a pair start from the same noise. An embedding that no training here ever used judges.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cosine_similarity

from limbeck.distillation.sampling import Sampler, draw
from limbeck.evaluation.toys import held_out_toys, is_unusual, over
from limbeck.playset.captions import caption
from limbeck.playset.pool import draw_backgrounds
from limbeck.playset.render import render_many
from limbeck.playset.things import Thing
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.prior import Cond

Embed = Callable[[Tensor], Tensor]
"""Maps images [n, 3, H, W], sRGB in 0 to 1, to embeddings [n, width]."""
BATCH = 25
SAMPLER = Sampler(steps=25, guidance_scale=4.0)
SAMPLES = 3
"""Of each reference: one sample's distance is as much its chance side and pose as what the image told."""


@dataclass(frozen=True)
class Triples:
    """References, and what the prior draws of the same words from the same noise."""

    toys: list[Thing]
    reference: Float[Tensor, "pairs 3 H W"]
    text_alone: Float[Tensor, "pairs 3 H W"]
    with_image: Float[Tensor, "pairs 3 H W"]


def measure(
    prior: DiffusionPrior,
    base: DiffusionPrior,
    embed: Embed,
    *,
    pairs: int = 100,
    samples: int = SAMPLES,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the share of references that samples come closer to, the mean distances (1 - cosine), and the gate.

    A reference counts as closer by the mean distance of its samples; the share of single samples is stated, too.

    Args:
        prior: text-to-image with an IP-Adapter.
        base: the same without, loaded apart: an adapter changes the UNet that it is put into.
        embed: the evaluation's embedding.
        pairs: references.
        samples: of each reference, with and without it.
        seed: of references and noise.
    """
    drawn = [draw_triples(prior, pairs, seed=seed, draw_seed=seed + 1000 * sample) for sample in range(samples)]
    reference = embed(drawn[0].reference)
    before = torch.stack([1 - cosine_similarity(embed(triples.text_alone), reference) for triples in drawn])
    after = torch.stack([1 - cosine_similarity(embed(triples.with_image), reference) for triples in drawn])
    is_closer = after.mean(0) < before.mean(0)
    is_patterned = torch.tensor([toy.pattern != "plain" for toy in drawn[0].toys], device=before.device)
    return {
        "pairs": pairs,
        "samples": samples,
        "closer_share": _mean(is_closer),
        "closer_share_patterned": _mean(is_closer[is_patterned]),
        "closer_share_plain": _mean(is_closer[~is_patterned]),
        "closer_share_of_single_samples": _mean(after < before),
        "distance_text_alone": _mean(before),
        "distance_with_image": _mean(after),
        "scale_0_max_difference": gate_difference(prior, base, seed=seed),
    }


def _mean(values: Tensor) -> float | None:
    return round(float(values.float().mean()), 4) if len(values) else None


def draw_triples(
    prior: DiffusionPrior, pairs: int, *, seed: int, draw_seed: int | None = None, scale: float = 1.0
) -> Triples:
    """Render references from near the front and draw both samples of each.

    Args:
        prior: text-to-image with an IP-Adapter.
        pairs: references.
        seed: of the references.
        draw_seed: of the noise; the references' by default.
        scale: of the image prompt.
    """
    rng, device = np.random.default_rng((seed, 1)), prior.alphas_cumprod.device
    toys = held_out_toys(pairs, seed, is_unusual)
    azimuths, elevations = list(rng.uniform(-45, 45, pairs)), list(rng.uniform(0, 30, pairs))
    reference = over(render_many(toys, azimuths, elevations), torch.from_numpy(draw_backgrounds(pairs, rng))).to(device)
    noise = _noise_like(prior, reference, seed if draw_seed is None else draw_seed)
    alone, image = [], []
    for start in range(0, pairs, BATCH):
        part = slice(start, start + BATCH)
        texts = [caption(toy.noun, toy.color) for toy in toys[part]]
        alone.append(_draw(prior, texts, reference[part], noise[part], 0.0))
        image.append(_draw(prior, texts, reference[part], noise[part], scale))
    return Triples(toys, reference, torch.cat(alone), torch.cat(image))


def _noise_like(prior: DiffusionPrior, images: Tensor, seed: int) -> Tensor:
    shape = prior.encode(images[:1]).shape[1:]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(images), *shape, generator=generator).to(images)


def _draw(prior: DiffusionPrior, texts: list[str], reference: Tensor, noise: Tensor, scale: float) -> Tensor:
    embeds = prior.encode_image(reference)[:, None]
    gate = torch.full((len(texts),), scale).to(embeds)
    cond = Cond(prior.encode_text(texts), image=embeds, image_scale=gate)
    uncond = Cond(prior.encode_text([""] * len(texts)), image=torch.zeros_like(embeds), image_scale=gate)
    return prior.decode(draw(prior, cond, uncond, noise, SAMPLER))


def gate_difference(prior: DiffusionPrior, base: DiffusionPrior, *, seed: int = 0) -> float:
    """Return the largest difference at image scale 0 from the prior without adapter; 0 is bit for bit."""
    device = prior.alphas_cumprod.device
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(4, 3, prior.spec.image_size, prior.spec.image_size, generator=generator).to(device)
    xt, t = _noise_like(prior, images, seed), torch.tensor([20, 300, 600, 950], device=device)
    text = prior.encode_text(["a red car", "a blue penguin", "a mug", ""])
    gated = Cond(text, image=prior.encode_image(images)[:, None], image_scale=torch.zeros(4, device=device))
    return float((prior.eps(xt, t, gated) - base.eps(xt, t, Cond(text))).abs().max())
