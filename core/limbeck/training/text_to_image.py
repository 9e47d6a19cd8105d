# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the text-to-image prior: biased to front views as pictures of the web are, unless told otherwise.

A run goes on from a prior's weights where ``--start`` names one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from limbeck.playset.cameras import camera_condition
from limbeck.playset.captions import TEMPLATES, VIEW_WORDS, caption, view_word, vocabulary
from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.training.diffusion_loss import LAYOUT_FROM_CONDITION, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import (
    cast_to_half,
    open_pool,
    require_common_latents,
    write_diffusers_folder,
)
from limbeck.training.latents import encode, fit_pca
from limbeck.training.networks import CAMERA_WIDTH, build_scheduler, build_text_encoder, build_unet
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import text_to_image_sheet
from limbeck.training.starting import Start, load_start, prior_digest, take_weights
from limbeck.training.tokenizer import TEXT_TOKENS, write_tokenizer
from limbeck.training.trainer import TrainingSettings, train

STEPS = 12_000
"""About as many as the shipped prior saw in its chain of runs."""
BATCH = 32
THINGS = 8000
FRONT_SHARE = 0.6
"""Of the training images, within 45 degrees of the front."""
UNBIASED_SHARE = 0.25
CAPTION_DROPOUT = 0.1
VIEW_SAID = 0.8
PATTERN_SAID = 0.6
PLAIN_TEMPLATE = 0.6
"""Share of captions without "a photo of" and the like."""
CONTINUED_RATE = 7e-4
CONTINUED_RATES = {"text_encoder": 2.0, "unet.add_embedding": 3.0}
"""Learning rates of a run that goes on from a prior; faster where words enter."""


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


def biased_views(pool: Pool, groups: np.ndarray, front_share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a view of each group so that ``front_share`` of them look from within 45 degrees of the front.

    Exactly one of a group's four orthogonal views does. Of biased views, backs are as many as both sides together, so
    that their words are heard as often; unbiased ones are all alike.
    """
    from_front = np.abs(pool.azimuth_deg[groups]).argmin(1)
    others = (1, 2, 3) if front_share <= UNBIASED_SHARE else (1, 2, 2, 3)
    turned = np.where(rng.random(len(groups)) < front_share, 0, rng.choice(others, len(groups)))
    return (from_front + turned) % 4


@dataclass(frozen=True)
class TextToImageLearner:
    """A UNet and its text encoder, trained together.

    ``front_share`` UNBIASED_SHARE gives the unbiased sibling; a UNet with ``class_embed_type`` "projection" the sibling
    that is told each image's camera. ``start`` is the prior that the run goes on from, if any.
    """

    pool: Pool
    pca: Mapping[str, Tensor]
    unet: Any
    text_encoder: Any
    captions: Captions
    settings: TrainingSettings
    front_share: float
    start: Path | None = None

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The two networks."""
        return {"unet": self.unet, "text_encoder": self.text_encoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch."""
        rng, device = np.random.default_rng((self.settings.seed, 2, step)), self.settings.device
        groups = rng.integers(len(self.pool), size=self.settings.batch)
        views = biased_views(self.pool, groups, self.front_share, rng)
        images = torch.from_numpy(self.pool.images(groups, views, rng)).to(device)
        tokens = self.captions.draw(groups, views, rng).to(device)
        text = self.text_encoder(tokens).last_hidden_state
        camera = self._camera(groups, views).to(device) if self.takes_camera else None

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            return self.unet(xt, t, text, class_labels=camera, return_dict=False)[0]

        alphas_cumprod = build_scheduler().alphas_cumprod.to(device)
        generator = seeded(self.settings.seed, step)
        return v_loss(predict, encode(images, self.pca), alphas_cumprod, generator, min_weight=LAYOUT_FROM_CONDITION)

    @property
    def takes_camera(self) -> bool:
        """Whether the UNet is told the camera."""
        return self.unet.config.class_embed_type == "projection"

    def _camera(self, groups: np.ndarray, views: np.ndarray) -> Tensor:
        return camera_condition(self.pool.azimuth_deg[groups, views], self.pool.elevation_deg[groups, views])

    def export(self, folder: Path) -> None:
        """Write unet, text encoder, tokenizer, scheduler and vae, in half precision."""
        write_diffusers_folder(folder, self.unet, self.text_encoder, self.captions.tokenizer, self.pca, self.start)


@dataclass(frozen=True)
class Beginning:
    """What a run starts with: fresh weights, or those of a prior.

    Attributes:
        pca: the latent space; None where it is yet to be fitted.
        digest: of the prior that the run goes on from; it is part of what the run is.
        history: what the weights went through before, for the card.
    """

    unet: Any
    text_encoder: Any
    tokenizer: Any
    pca: Mapping[str, Tensor] | None = None
    digest: str | None = None
    history: Mapping[str, Any] = field(default_factory=dict)


def run(options: TrainingOptions) -> None:
    """Train the shipped prior: biased views, captions that mostly name the view.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE if ``--start`` names no text-to-image prior, and those of ``train``.
    """
    _run(options, "text-to-image", FRONT_SHARE, _beginning(options))


def run_unbiased(options: TrainingOptions) -> None:
    """Train the sibling that sees all azimuths alike."""
    _run(options, "text-to-image, unbiased views", UNBIASED_SHARE, _beginning(options))


def run_camera(options: TrainingOptions) -> None:
    """Train the sibling that is told the camera of each image, which is biased as the shipped prior's are."""
    camera = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": CAMERA_WIDTH}
    _run(options, "text-to-image, camera-conditioned", FRONT_SHARE, _beginning(options, **camera))


def _beginning(options: TrainingOptions, **unet_changes: Any) -> Beginning:
    """Return fresh weights, or those of ``--start``; a camera embedding, which no start has, is always fresh."""
    require_writable_folder(options.out)
    if options.start is not None:
        start = load_start(options)
        with first_weights(options.seed):
            unet = build_unet(**unet_changes)
        take_weights(unet, start, fresh="class_embedding." if unet_changes else "")
        digest = prior_digest(start.folder)
        return Beginning(unet, start.text_encoder, start.tokenizer, start.pca, digest, {"started_from": _past(start)})
    tokenizer = write_tokenizer(vocabulary(), options.out / "tokenizer")
    with first_weights(options.seed):
        return Beginning(build_unet(**unet_changes), build_text_encoder(tokenizer), tokenizer)


def _past(start: Start) -> dict[str, Any]:
    """Return what a prior's weights went through in all its runs, by its card; None where the card does not say."""
    path = start.folder / "card.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    last, before = known.get("training", {}), known.get("facts", {}).get("started_from", {})

    def total(name: str) -> float | None:
        terms = [last.get(name), before.get(name) if before else 0]
        return None if None in terms else round(sum(terms), 1)

    return {
        **{name: total(name) for name in ("steps", "seconds", "cpu_seconds")},
        "weights": prior_digest(start.folder),
    }


def _run(options: TrainingOptions, name: str, front_share: float, beginning: Beginning) -> None:
    """Train one of the three text-to-image models."""
    pool = open_pool(options, THINGS)
    pca = beginning.pca or fit_pca(pool, options.seed)
    require_common_latents(options.out, pca)
    unet, is_continued = beginning.unet, beginning.pca is not None
    takes_camera = unet.config.class_embed_type == "projection"
    rates = CONTINUED_RATES if is_continued else {}
    if takes_camera:
        rates = {**rates, "unet.class_embedding": 5.0}
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=CONTINUED_RATE if is_continued else 1e-3,
        learning_rates=rates,
        seed=options.seed,
        device=options.device,
        facts={
            "things": len(pool),
            "front_share": front_share,
            **({"start": beginning.digest} if is_continued else {}),
        },
    )
    learner = TextToImageLearner(
        pool,
        pca,
        unet.to(options.device, memory_format=torch.channels_last),
        beginning.text_encoder.to(options.device),
        Captions(beginning.tokenizer, pool, says_view=not takes_camera),
        settings,
        front_share,
        options.start,
    )
    report = train(learner, settings, options.out)
    cast_to_half(options.out)
    sheet = text_to_image_sheet(options.out) if options.draws_sheet and not takes_camera else None
    write_card(options.out, name, report, {**_facts(learner), **beginning.history}, sheet)


def _facts(learner: TextToImageLearner) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    groups = rng.integers(len(learner.pool), size=100_000)
    views = biased_views(learner.pool, groups, learner.front_share, rng)
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
