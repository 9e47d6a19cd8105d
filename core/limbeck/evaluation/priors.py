# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the text-to-image and multi-view priors draw, as the judges see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.distillation.sampling import Sampler, draw
from limbeck.evaluation.loading import Judges
from limbeck.evaluation.view_pairs import pair_figures
from limbeck.playset.cameras import camera_condition
from limbeck.playset.captions import TEMPLATES, VIEW_WORDS, caption
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, held_out_pairs
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.pair_classifier import PairClassifier
from limbeck.priors.prior import Cond

BATCH = 24
SAMPLER = Sampler(steps=25, guidance_scale=4.0)
UNGUIDED = Sampler(steps=25, guidance_scale=1.0)
"""Draws what the prior learnt; guidance sharpens it, the front's share too."""
VIEWS = 4
MAX_TURN_DEG = 30.0
"""Of a multi-view group off its front, so that exactly one of the four views is a front view beyond doubt."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Prompt:
    """What was asked for: indices into ``NOUNS`` and ``COLOR_WORDS``, and the words."""

    noun: int
    color: int
    text: str


@dataclass(frozen=True)
class Drawn:
    """Pictures, and what they were to show."""

    prompts: list[Prompt]
    rgb: Float[Tensor, "pictures 3 H W"]


def seen_pairs() -> list[tuple[str, str]]:
    """Return the object-colour pairs that training may see."""
    held = held_out_pairs()
    return [(noun, color) for noun in NOUNS for color in COLOR_WORDS if (noun, color) not in held]


def make_prompts(
    pairs: Sequence[tuple[str, str]], count: int, rng: np.random.Generator, *, views: Sequence[str] = ("",)
) -> list[Prompt]:
    """Return prompts that go evenly through the pairs, in random order and wording, and through ``views`` in turn."""
    order = np.concatenate([rng.permutation(len(pairs)) for _ in range(-(-count // len(pairs)))])[:count]
    prompts = []
    for index, which in enumerate(order):
        noun, color = pairs[which]
        text = caption(noun, color, view=views[index % len(views)], template=int(rng.integers(len(TEMPLATES))))
        prompts.append(Prompt(NOUNS.index(noun), COLOR_WORDS.index(color), text))
    return prompts


def draw_prompts(
    prior: DiffusionPrior,
    prompts: list[Prompt],
    seed: int,
    *,
    camera: Float[Tensor, "pictures 16"] | None = None,
    sampler: Sampler = SAMPLER,
    progress: Progress | None = None,
) -> Drawn:
    """Draw one picture of every prompt; a group of views shares no noise."""
    device = prior.alphas_cumprod.device
    generator = torch.Generator().manual_seed(seed)
    size = prior.spec.image_size
    shape = prior.encode(torch.zeros(1, 3, size, size, device=device)).shape[1:]
    noise = torch.randn(len(prompts), *shape, generator=generator).to(device)
    pictures = []
    for start in range(0, len(prompts), BATCH):
        part = slice(start, start + BATCH)
        text = prior.encode_text([prompt.text for prompt in prompts[part]])
        uncond = prior.encode_text([""]).expand(len(text), -1, -1)
        seen_from = None if camera is None else camera[part].to(device)
        latents = draw(prior, Cond(text, seen_from), Cond(uncond, seen_from), noise[part], sampler)
        pictures.append(prior.decode(latents).cpu())
        if progress is not None:
            progress(min(start + BATCH, len(prompts)), len(prompts))
    return Drawn(prompts, torch.cat(pictures))


@torch.no_grad()
def rightness(judges: Judges, drawn: Drawn) -> tuple[Bool[Tensor, " pictures"], Bool[Tensor, " pictures"]]:
    """Return whether each picture shows the object, and whether the colour, that was asked for."""
    answers = [judges.classifier(part) for part in drawn.rgb.split(BATCH)]
    noun = torch.cat([answer.noun.argmax(1) for answer in answers])
    color = torch.cat([answer.color.argmax(1) for answer in answers])
    prompts = drawn.prompts
    return noun == torch.tensor([p.noun for p in prompts]), color == torch.tensor([p.color for p in prompts])


@torch.no_grad()
def judged_views(judges: Judges, drawn: Drawn) -> Int[Tensor, " pictures"]:
    """Return front (0), side (1) or back view (2) of every picture; what has no front gets an answer, too."""
    return torch.cat([judges.front.views(part) for part in drawn.rgb.split(BATCH)])


def measure_text_to_image(
    prior: DiffusionPrior, judges: Judges, *, count: int = 500, seed: int = 0, progress: Progress | None = None
) -> tuple[dict[str, Any], Drawn]:
    """Return the figures of the text-to-image prior, and the pictures of the first set of prompts.

    Args:
        count: prompts of pairs in training; a third as many of held-out pairs, and of each way to look at the front.
    """
    rng, third = np.random.default_rng((seed, 6)), max(1, count // 3)
    seen, held = seen_pairs(), sorted(held_out_pairs())
    fronted = [pair for pair in seen if pair[0] in FRONTED]
    drawn = draw_prompts(prior, make_prompts(seen, count, rng), seed, progress=progress)
    unseen = draw_prompts(prior, make_prompts(held, third, rng), seed + 1, progress=progress)
    free = draw_prompts(prior, make_prompts(fronted, third, rng), seed + 2, progress=progress)
    unguided = draw_prompts(prior, free.prompts, seed + 2, sampler=UNGUIDED, progress=progress)
    named = draw_prompts(prior, make_prompts(fronted, third, rng, views=VIEW_WORDS), seed + 3, progress=progress)
    asked = torch.arange(third) % len(VIEW_WORDS)
    hit = judged_views(judges, named) == asked
    figures = {
        "prompts": count,
        **_word_figures(judges, drawn),
        "held_out_prompts": third,
        **{f"held_out_{name}": value for name, value in _word_figures(judges, unseen).items()},
        "front_prompts": third,
        "front_share_unasked": share(judged_views(judges, free) == 0),
        "front_share_unasked_without_guidance": share(judged_views(judges, unguided) == 0),
        "named_view_share": share(hit),
        **{f"named_{word.replace(' ', '_')}_share": share(hit[asked == i]) for i, word in enumerate(VIEW_WORDS)},
    }
    return figures, drawn


def _word_figures(judges: Judges, drawn: Drawn) -> dict[str, Any]:
    noun, color = rightness(judges, drawn)
    nouns = torch.tensor([prompt.noun for prompt in drawn.prompts])
    by_noun = {NOUNS[i]: share(noun[nouns == i]) or 0.0 for i in nouns.unique().tolist()}
    worst = dict(sorted(by_noun.items(), key=lambda item: item[1])[:4])
    return {"object": share(noun), "color": share(color), "both": share(noun & color), "worst_objects": worst}


def measure_multi_view(
    prior: DiffusionPrior,
    judges: Judges,
    *,
    classifier: PairClassifier | None = None,
    count: int = 100,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Drawn]:
    """Return the figures of the multi-view prior over ``count`` prompts of four views, and the pictures.

    Prompts name objects with a front, of pairs in training; the first view is within 30 degrees of the front.

    Args:
        classifier: C(I), to judge pairs of views as well.
    """
    rng = np.random.default_rng((seed, 7))
    asked = make_prompts([pair for pair in seen_pairs() if pair[0] in FRONTED], count, rng)
    turn = rng.uniform(-MAX_TURN_DEG, MAX_TURN_DEG, count)
    azimuth_deg = (turn[:, None] + np.arange(VIEWS) * 90.0).reshape(-1)
    elevation_deg = rng.uniform(0, 30, count)
    camera = camera_condition(azimuth_deg, np.repeat(elevation_deg, VIEWS))
    prompts = [prompt for prompt in asked for _ in range(VIEWS)]
    drawn = draw_prompts(prior, prompts, seed, camera=camera, progress=progress)
    fires = (judged_views(judges, drawn) == 0).view(count, VIEWS)
    noun, color = (answer.view(count, VIEWS) for answer in rightness(judges, drawn))
    views, azimuths = drawn.rgb.unflatten(0, (count, VIEWS)), azimuth_deg.reshape(count, VIEWS)
    pairs = {} if classifier is None else pair_figures(classifier, views, azimuths, elevation_deg)
    return {
        "prompts": count,
        "views": VIEWS,
        "object": share(noun),
        "color": share(color),
        "object_and_color_in_all_views": share((noun & color).all(1)),
        "front_in_exactly_the_right_view": share(fires[:, 0] & ~fires[:, 1:].any(1)),
        "front_in_the_right_view": share(fires[:, 0]),
        "fronts_per_object": round(float(fires.sum(1).float().mean()), 4),
        "median_azimuth_error_deg": round(float(_azimuth_error(judges, drawn, azimuth_deg).median()), 2),
        **pairs,
    }, drawn


@torch.no_grad()
def _azimuth_error(judges: Judges, drawn: Drawn, azimuth_deg: np.ndarray) -> Tensor:
    judged = torch.cat([judges.front.azimuth_deg(part) for part in drawn.rgb.split(BATCH)])
    return ((judged - torch.from_numpy(azimuth_deg) + 180) % 360 - 180).abs()


def share(claims: Tensor) -> float | None:
    """Return the share that is true, rounded to four digits; None where there is nothing to share."""
    return round(float(claims.float().mean()), 4) if claims.numel() else None
