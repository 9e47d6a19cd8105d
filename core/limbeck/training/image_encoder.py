# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train a small CLIP image encoder to tell what a caption may leave out: object, colour, pattern, proportions and side.

An encoder that knows nothing would have to learn from the noisy loss of a diffusion model; this takes four minutes.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.priors.files import load_weights, reported_as_incomplete
from limbeck.priors.image_encoder import clip_pixels
from limbeck.training.adapting import draw_groups
from limbeck.training.options import TrainingOptions
from limbeck.training.seeding import first_weights
from limbeck.training.trainer import TrainingSettings, train

STEPS = 2500
BATCH = 64
SIZE, PATCH = 64, 16
WIDTH = 96
STRETCH_SCALE = 0.15
"""The size of a usual deviation of a log stretch: about one unit of the regression."""
STRETCH_WEIGHT = 2.0
SIDE_WEIGHT = 4.0
"""Of the azimuth's cosine and sine; an embedding that keeps them lets the adapter draw the side that it is shown."""


def build_image_encoder() -> Any:
    """Return an untrained encoder of 0.8 million weights for images of 64 pixels.

    Patches of 16 pixels cost far less than patches of 8; which learns better was not compared. Positions start as sines
    and cosines.
    """
    config = CLIPVisionConfig(
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=SIZE,
        patch_size=PATCH,
        projection_dim=WIDTH,
    )
    encoder: Any = CLIPVisionModelWithProjection(config)
    with torch.no_grad():
        encoder.vision_model.embeddings.position_embedding.weight[1:] = _position_waves(config.hidden_size)
    return encoder


def _position_waves(width: int) -> Float[Tensor, "patches width"]:
    """Return sines and cosines of the patches' columns and rows."""
    axis = torch.arange(SIZE // PATCH)
    frequencies = 100 ** -(torch.arange(width // 4) / (width // 4))
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    angles = [places.reshape(-1, 1) * frequencies for places in (columns, rows)]
    return 0.5 * torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)


class Heads(nn.Module):
    """Linear readings of an image embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = (len(NOUNS), len(COLOR_WORDS), len(PATTERNS), 3, 2)
        self.linear = nn.Linear(WIDTH, sum(self.sizes))

    def forward(self, embeds: Tensor) -> tuple[Tensor, ...]:
        """Return logits of noun, colour and pattern, the relative log stretch, and the azimuth's cosine and sine."""
        return self.linear(embeds).split(self.sizes, dim=-1)


@dataclass(frozen=True)
class EncoderLearner:
    """Learns to name what an image shows."""

    pool: Pool
    encoder: Any
    heads: Heads
    settings: TrainingSettings

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The encoder, and heads that are thrown away."""
        return {"encoder": self.encoder, "heads": self.heads}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the sum of three cross entropies and the errors of the proportions and of the side."""
        rng, device = np.random.default_rng((self.settings.seed, 3, step)), self.settings.device
        groups = draw_groups(self.pool, self.settings.batch, rng)
        views = rng.integers(4, size=self.settings.batch)
        rgb = torch.from_numpy(self.pool.images(groups, views, rng)).to(device)
        *logits, stretch, side = self.heads(self.encoder(pixel_values=clip_pixels(rgb, rgb.shape[-1])).image_embeds)
        classes = (self.pool.noun, self.pool.color, self.pool.pattern)
        targets = [torch.from_numpy(indices[groups]).to(device) for indices in classes]
        total = torch.stack([cross_entropy(guess, target) for guess, target in zip(logits, targets, strict=True)]).sum()
        wanted = torch.from_numpy(relative_stretch(self.pool.stretch[groups])).to(device)
        azimuth = torch.deg2rad(torch.from_numpy(self.pool.azimuth_deg[groups, views]).float())
        seen_from = torch.stack([azimuth.cos(), azimuth.sin()], 1).to(device)
        total = total + STRETCH_WEIGHT * smooth_l1_loss(stretch, wanted)
        side_loss = smooth_l1_loss(side, seen_from)
        total = total + SIDE_WEIGHT * side_loss
        hits = [float((g.argmax(-1) == t).float().mean()) for g, t in zip(logits, targets, strict=True)]
        figures = dict(zip(("noun", "color", "pattern"), hits, strict=True))
        return total, {**figures, "side": float(side_loss.detach())}

    def export(self, folder: Path) -> None:
        """Write the encoder."""
        save_half(self.encoder, folder / "image_encoder")


def relative_stretch(stretch: Float[ndarray, "batch 3"]) -> Float[ndarray, "batch 3"]:
    """Return log factors without their mean, which no image shows since toys are scaled to one size."""
    logs = np.log(stretch)
    return (logs - logs.mean(1, keepdims=True)) / STRETCH_SCALE


def save_half(model: Any, folder: Path) -> None:
    """Write a copy of a model in half precision."""
    copy.deepcopy(model).half().save_pretrained(folder)


def warmed_up_encoder(options: TrainingOptions, pool: Pool) -> Any:
    """Train an encoder in a folder beside ``options.out``, or go on from there, and return it trainable."""
    settings = TrainingSettings(
        steps=STEPS if options.steps is None else min(STEPS, options.steps),
        batch=BATCH,
        learning_rate=1e-3,
        weight_decay=0.05,
        ema_decay=0.99,
        seed=options.seed,
        device=options.device,
        facts={"things": len(pool), "part": "image encoder"},
    )
    with first_weights(options.seed):
        encoder, heads = build_image_encoder(), Heads()
    learner = EncoderLearner(pool, encoder.to(options.device), heads.to(options.device), settings)
    folder = options.out.with_name(f"{options.out.name}-encoder")
    train(learner, settings, folder)
    return load_trainable_encoder(folder / "image_encoder", options.device)


def load_trainable_encoder(folder: Path, device: torch.device) -> Any:
    """Load an encoder in full precision, to train it on.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("image encoder", folder, "config.json and model"):
        return load_weights(CLIPVisionModelWithProjection, folder).to(device)
