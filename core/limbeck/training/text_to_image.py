# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the text-to-image prior: biased to front views as pictures of the web are, unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limbeck.playset.captions import TEMPLATES, VIEW_WORDS, caption, view_word, vocabulary
from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.training.cameras import camera_condition
from limbeck.training.diffusion_loss import seeded, v_loss
from limbeck.training.folders import cast_to_half, open_pool, write_diffusers_folder
from limbeck.training.latents import encode, fit_pca
from limbeck.training.networks import CAMERA_WIDTH, build_scheduler, build_text_encoder, build_unet
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.sheets import text_to_image_sheet
from limbeck.training.tokenizer import TEXT_TOKENS, write_tokenizer
from limbeck.training.trainer import TrainingSettings, train

STEPS = 6000
BATCH = 32
THINGS = 8000
FRONT_SHARE = 0.6
"""Of the training images, within 45 degrees of the front; unbiased views have a quarter there."""
CAPTION_DROPOUT = 0.1
VIEW_SAID = 0.5
PATTERN_SAID = 0.6
PLAIN_TEMPLATE = 0.6
"""Share of captions without "a photo of" and the like."""


@dataclass(frozen=True)
class Captions:
    """Draws captions of a pool's views and turns them into tokens."""

    tokenizer: Any
    pool: Pool
    says_view: bool

    def draw(self, groups: np.ndarray, views: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Return tokens [batch, 16]; one in ten captions is empty."""
        return self._tokens([self._text(int(g), int(v), rng) for g, v in zip(groups, views, strict=True)])

    def _text(self, group: int, view: int, rng: np.random.Generator) -> str:
        dropped, said_pattern, said_view, plain = rng.random(4)
        template = 0 if plain < PLAIN_TEMPLATE else int(rng.integers(1, len(TEMPLATES)))
        if dropped < CAPTION_DROPOUT:
            return ""
        pool = self.pool
        word = view_word(float(pool.azimuth_deg[group, view])) if self.says_view and said_view < VIEW_SAID else ""
        pattern = PATTERNS[pool.pattern[group]] if said_pattern < PATTERN_SAID else "plain"
        noun, color = NOUNS[pool.noun[group]], COLOR_WORDS[pool.color[group]]
        return caption(noun, color, pattern=pattern, view=word, template=template)

    def _tokens(self, texts: list[str]) -> Tensor:
        padded = self.tokenizer(
            texts, padding="max_length", max_length=TEXT_TOKENS, truncation=True, return_tensors="pt"
        )
        return padded.input_ids


def draw_views(pool: Pool, count: int, front_share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw (groups, views) so that ``front_share`` of them look from within 45 degrees of the front.

    Exactly one of a group's four orthogonal views does.
    """
    groups = rng.integers(len(pool), size=count)
    from_front = np.abs(pool.azimuth_deg[groups]).argmin(1)
    turned = np.where(rng.random(count) < front_share, 0, rng.integers(1, 4, count))
    return groups, (from_front + turned) % 4


@dataclass(frozen=True)
class TextToImageLearner:
    """A UNet and its text encoder, trained together.

    ``front_share`` 0.25 gives the unbiased sibling; a UNet with ``class_embed_type`` "projection" the sibling that is
    told each image's camera.
    """

    pool: Pool
    pca: Mapping[str, Tensor]
    unet: Any
    text_encoder: Any
    captions: Captions
    settings: TrainingSettings
    front_share: float

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The two networks."""
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch."""
        rng, device = np.random.default_rng((self.settings.seed, 2, step)), self.settings.device
        groups, views = draw_views(self.pool, self.settings.batch, self.front_share, rng)
        images = torch.from_numpy(self.pool.images(groups, views, rng)).to(device)
        tokens = self.captions.draw(groups, views, rng).to(device)
        text = self.text_encoder(tokens).last_hidden_state
        camera = self._camera(groups, views).to(device) if self.takes_camera else None

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            return self.unet(xt, t, text, class_labels=camera, return_dict=False)[0]

        alphas_cumprod = build_scheduler().alphas_cumprod.to(device)
        return v_loss(predict, encode(images, self.pca), alphas_cumprod, seeded(self.settings.seed, step))

    @property
    def takes_camera(self) -> bool:
        """Whether the UNet is told the camera."""
        return self.unet.config.class_embed_type == "projection"

    def _camera(self, groups: np.ndarray, views: np.ndarray) -> Tensor:
        return camera_condition(self.pool.azimuth_deg[groups, views], self.pool.elevation_deg[groups, views])

    def export(self, folder: Path) -> None:
        """Write unet, text encoder, tokenizer, scheduler and vae, in half precision."""
        write_diffusers_folder(folder, self.unet, self.text_encoder, self.captions.tokenizer, self.pca)


def run(options: TrainingOptions) -> None:
    """Train the shipped prior: biased views, captions that name the view half of the time."""
    _run(options, "text-to-image", front_share=FRONT_SHARE)


def run_unbiased(options: TrainingOptions) -> None:
    """Train the sibling that sees all azimuths alike."""
    _run(options, "text-to-image, unbiased views", front_share=0.25)


def run_camera(options: TrainingOptions) -> None:
    """Train the sibling that is told the camera of each image, which is biased as the shipped prior's are."""
    camera = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": CAMERA_WIDTH}
    _run(options, "text-to-image, camera-conditioned", front_share=FRONT_SHARE, **camera)


def _run(options: TrainingOptions, name: str, front_share: float, **unet_changes: Any) -> None:
    """Train one of the three text-to-image models."""
    pool = open_pool(options, THINGS)
    torch.manual_seed(options.seed)
    tokenizer = write_tokenizer(vocabulary(), options.out / "tokenizer")
    unet: Any = build_unet(**unet_changes)
    text_encoder: Any = build_text_encoder(tokenizer)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=1e-3,
        learning_rates={"unet.class_embedding": 5.0} if unet_changes else {},
        seed=options.seed,
        device=options.device,
        facts={"things": len(pool), "front_share": front_share},
    )
    learner = TextToImageLearner(
        pool,
        fit_pca(pool, options.seed),
        unet.to(options.device, memory_format=torch.channels_last),
        text_encoder.to(options.device),
        Captions(tokenizer, pool, says_view=not unet_changes),
        settings,
        front_share,
    )
    report = train(learner, settings, options.out)
    cast_to_half(options.out)
    sheet = text_to_image_sheet(options.out) if options.draws_sheet and not unet_changes else None
    write_card(options.out, name, report, _facts(learner), sheet)


def _facts(learner: TextToImageLearner) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    groups, views = draw_views(learner.pool, 100_000, learner.front_share, rng)
    share = float((np.abs(learner.pool.azimuth_deg[groups, views]) <= 45).mean())
    return {
        "toys": len(learner.pool),
        "images": 4 * len(learner.pool),
        "share_of_front_views": round(share, 4),
        "caption_says_view": VIEW_SAID if learner.captions.says_view else 0.0,
        "views": list(VIEW_WORDS),
        "batch": learner.settings.batch,
        "seed": learner.settings.seed,
        "weights": sum(p.numel() for p in learner.unet.parameters()),
    }
