# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the structure control: a ControlNet (arXiv:2302.05543) on depth for the frozen text-to-image prior."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from limbeck.playset.pool import Pool
from limbeck.priors.control import control_arguments, controlnet_like, depth_control
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from limbeck.training.adapting import Base, draw_captions, load_base
from limbeck.training.diffusion_loss import LAYOUT_GIVEN, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import open_pool
from limbeck.training.image_encoder import save_half
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import save_sheet
from limbeck.training.text_to_image import FRONT_SHARE, biased_views
from limbeck.training.trainer import TrainingSettings, train

STEPS = 2000
BATCH = 16
THINGS = 3000
PIXELS_PER_LATENT = 4
CAPTION_DROPOUT = 0.2
"""More than the prior's own: without words the picture must follow the depth."""
PATTERN_SAID = 0.6


@dataclass(frozen=True)
class StructureLearner:
    """A ControlNet; the UNet stays as it is."""

    pool: Pool
    base: Base
    controlnet: Any
    settings: TrainingSettings

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The ControlNet alone."""
        return {"controlnet": self.controlnet}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch."""
        rng, pool = np.random.default_rng((self.settings.seed, 5, step)), self.pool
        groups = rng.integers(len(pool), size=self.settings.batch)
        views = biased_views(pool, groups, FRONT_SHARE, rng)
        latents = self.base.latents(pool.images(groups, views, rng))
        captions = draw_captions(pool, groups, views, rng, pattern_said=PATTERN_SAID)
        is_kept = rng.random(len(groups)) >= CAPTION_DROPOUT
        text = self.base.prior.encode_text([said if kept else "" for said, kept in zip(captions, is_kept, strict=True)])
        cond = Cond(text, control=pool_control(pool, groups, views).to(self.base.device))

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            arguments = control_arguments(self.controlnet, xt, t, cond)
            return self.base.prior.unet(xt, t, text, return_dict=False, **arguments)[0]

        generator = seeded(self.settings.seed, step)
        return v_loss(predict, latents, self.base.prior.alphas_cumprod, generator, min_weight=LAYOUT_GIVEN)

    def export(self, folder: Path) -> None:
        """Write the ControlNet in half precision."""
        save_half(self.controlnet, folder / "controlnet")


def pool_control(pool: Pool, groups: ndarray, views: ndarray) -> Float[Tensor, "batch 3 H W"]:
    """Return the depth controls of a pool's views.

    Raises:
        ValueError: if the pool was rendered without depth.
    """
    if pool.depth is None:
        raise ValueError("expected a pool with depth")
    depth = torch.from_numpy(pool.depth[groups, views].astype(np.float32))
    return depth_control(depth, depth > 0)


def run(options: TrainingOptions) -> None:
    """Train and write weights, card and contact sheet."""
    require_writable_folder(options.out)
    base = load_base(options)
    pool = open_pool(options, THINGS, with_depth=True)
    with first_weights(options.seed):
        controlnet: Any = controlnet_like(base.prior.unet, PIXELS_PER_LATENT)
    controlnet = controlnet.to(options.device, memory_format=torch.channels_last)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=5e-4,
        learning_rates={"controlnet.controlnet_": 2.0},
        seed=options.seed,
        ema_decay=0.995,
        device=options.device,
        facts={"things": len(pool), "start": base.digest},
    )
    report = train(StructureLearner(pool, base, controlnet, settings), settings, options.out)
    facts = {
        "toys": len(pool),
        "images": 4 * len(pool),
        "batch": BATCH,
        "seed": options.seed,
        "start": base.digest,
        "caption_dropout": CAPTION_DROPOUT,
        "weights": sum(parameter.numel() for parameter in controlnet.parameters()),
    }
    write_card(options.out, "structure", report, facts, _sheet(options) if options.draws_sheet else None)


def _sheet(options: TrainingOptions) -> Path:
    """Draw ``samples.jpg``: control, without it, with it, eight a row."""
    # Only here: the evaluation is no part of what is trained.
    from limbeck.evaluation.structure import draw_controlled  # noqa: PLC0415

    prior = load_prior(str(options.start), "structure", options.device, options.out)
    drawn = draw_controlled(prior, 16, seed=5)
    rows = [part[start : start + 8] for start in (0, 8) for part in (drawn.control, drawn.without, drawn.controlled)]
    return save_sheet(torch.cat(rows), 8, options.out)
