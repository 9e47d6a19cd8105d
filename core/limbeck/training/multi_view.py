# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the multi-view prior: four orthogonal views at once, each told its camera, from unbiased azimuths.

MVDream (arXiv:2308.16512): the camera is added to the time embedding, and self-attention sees the four views together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limbeck.playset.cameras import camera_condition
from limbeck.playset.pool import VIEWS, Pool, draw_backgrounds
from limbeck.priors.multiview import join_views
from limbeck.training.diffusion_loss import LAYOUT_FROM_CONDITION, keep_or_drop, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import (
    cast_to_half,
    open_pool,
    require_common_latents,
    write_diffusers_folder,
)
from limbeck.training.latents import encode
from limbeck.training.networks import CAMERA_WIDTH, build_scheduler, build_unet
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import multi_view_sheet
from limbeck.training.starting import Start, load_start, prior_digest, take_weights
from limbeck.training.text_to_image import Captions
from limbeck.training.trainer import TrainingSettings, train

STEPS = 3000
BATCH = 8
"""Groups of four views."""
THINGS = 8000
CAMERA_DROPOUT = 0.05
CAMERA_STD = 0.05
"""Of the camera embedding's first output weights. From zero, the usual start, they grew too slowly to matter."""


@dataclass(frozen=True)
class MultiViewLearner:
    """A UNet whose self-attention joins four views, and its text encoder."""

    pool: Pool
    pca: Mapping[str, Tensor]
    unet: Any
    text_encoder: Any
    captions: Captions
    settings: TrainingSettings
    start: Path | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The two networks."""
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch of groups; the views of a group share caption, background and t."""
        rng, device = np.random.default_rng((self.settings.seed, 3, step)), self.settings.device
        generator = seeded(self.settings.seed, step)
        groups = rng.integers(len(self.pool), size=self.settings.batch)
        rows, views = np.repeat(groups, VIEWS), np.tile(np.arange(VIEWS), len(groups))
        behind = np.repeat(draw_backgrounds(len(groups), rng), VIEWS, 0)
        images = torch.from_numpy(self.pool.images(rows, views, rng, behind)).to(device)
        tokens = self.captions.draw(groups, np.zeros_like(groups), rng).to(device)
        text = self.text_encoder(tokens).last_hidden_state.repeat_interleave(VIEWS, 0)
        camera = camera_condition(self.pool.azimuth_deg[rows, views], self.pool.elevation_deg[rows, views])
        told = keep_or_drop(len(groups), CAMERA_DROPOUT, generator).repeat_interleave(VIEWS)
        camera = (camera * told[:, None]).to(device)

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            return self.unet(xt, t, text, class_labels=camera, return_dict=False)[0]

        alphas_cumprod = build_scheduler().alphas_cumprod.to(device)
        latents = encode(images, self.pca)
        return v_loss(predict, latents, alphas_cumprod, generator, group=VIEWS, min_weight=LAYOUT_FROM_CONDITION)

    def export(self, folder: Path) -> None:
        """Write unet, text encoder, tokenizer, scheduler and vae."""
        write_diffusers_folder(folder, self.unet, self.text_encoder, self.captions.tokenizer, self.pca, self.start)


def run(options: TrainingOptions) -> None:
    """Train from the weights of a text-to-image prior (``--start``).

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if there are none.
    """
    require_writable_folder(options.out)
    start = load_start(options)
    require_common_latents(options.out, start.pca)
    digest = prior_digest(start.folder)
    pool = open_pool(options, THINGS)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=7e-4,
        learning_rates={"unet.class_embedding": 3.0},
        seed=options.seed,
        device=options.device,
        facts={"things": len(pool), "start": digest},
    )
    learner = MultiViewLearner(
        pool,
        start.pca,
        _camera_unet(start, options),
        start.text_encoder.to(options.device),
        Captions(start.tokenizer, pool, says_view=False),
        settings,
        start.folder,
    )
    report = train(learner, settings, options.out)
    cast_to_half(options.out)
    facts = {"groups_of_four_views": len(pool), "batch_groups": BATCH, "seed": options.seed, "start": digest}
    sheet = multi_view_sheet(options.out) if options.draws_sheet else None
    write_card(options.out, "multi-view", report, facts, sheet)


def _camera_unet(start: Start, options: TrainingOptions) -> Any:
    """Return the text-to-image UNet with a camera embedding and joined views."""
    with first_weights(options.seed):
        unet: Any = build_unet(class_embed_type="projection", projection_class_embeddings_input_dim=CAMERA_WIDTH)
        embedding: Any = unet.class_embedding
        nn.init.normal_(embedding.linear_2.weight, std=CAMERA_STD)
        nn.init.zeros_(embedding.linear_2.bias)
    take_weights(unet, start, fresh="class_embedding.")
    join_views(unet, VIEWS)
    return unet.to(options.device, memory_format=torch.channels_last)
