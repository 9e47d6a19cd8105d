# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the novel-view prior in Zero-1-to-3's layout (arXiv:2303.11328), from the text-to-image prior's weights.

Its UNet takes the reference's latents beside the noisy ones, so it has twice the channels; those for the reference
start at zero. The context is one token made of the image embedding and the relative pose.
"""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Float32, Int64
from numpy import ndarray
from safetensors.torch import save_file
from torch import Tensor, nn

from limbeck.playset.captions import caption, view_word
from limbeck.playset.pool import composite, draw_backgrounds
from limbeck.playset.render import DISTANCE
from limbeck.playset.things import COLOR_WORDS, NOUNS
from limbeck.playset.views import ViewPool, build_views, training_pairs
from limbeck.priors.image_encoder import clip_pixels
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import POSE, Viewpoints, context_token, relative_pose
from limbeck.training.adapting import Base, encoder_beside, load_base
from limbeck.training.diffusion_loss import LAYOUT_FROM_CONDITION, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import open_pool
from limbeck.training.image_encoder import load_trainable_encoder, save_half, warmed_up_encoder
from limbeck.training.networks import build_scheduler
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import save_sheet
from limbeck.training.starting import weights_digest
from limbeck.training.token_fit import FIT_BATCH, FIT_IMAGES, fit_linear
from limbeck.training.trainer import TrainingSettings, train

FRONT_REFERENCES = 0.5
"""Share of references that are the view nearest to the front, as a user's picture mostly is.

From references of any azimuth neither the relative pose alone nor the reference alone says anything about the view to
draw, so that no small change of the weights lowers the loss.
"""
POSE_GAIN = 2.0
"""On the pose's fitted weights: the words' three sectors are told by a sine and a cosine, which halves their effect."""
STEPS = 10_000
BATCH = 16
THINGS = 8000
VIEWS = 4
CONDITION_DROPOUT = 0.1
RATES: Mapping[str, float] = {"image_encoder": 0.15, "unet.conv_in": 2.0, "projection": 1.5}
"""Factors of the learning rate. At 1e-3 the loss rose from 0.21 to 0.24 in the first 200 steps; at 4e-4 for
3,000 steps it obeyed the pose but still drew the wrong object now and then."""


@dataclass(frozen=True)
class NovelViewLearner:
    """A UNet with twice the channels, the projection of image and pose, and the image encoder."""

    pool: ViewPool
    base: Base
    unet: Any
    projection: nn.Linear
    encoder: Any
    settings: TrainingSettings

    @property
    def modules(self) -> dict[str, nn.Module]:
        """All three are trained."""
        return {"unet": self.unet, "projection": self.projection, "image_encoder": self.encoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch: a view of a toy, given another over the same background."""
        rng, count = np.random.default_rng((self.settings.seed, 6, step)), self.settings.batch
        things = rng.integers(len(self.pool), size=count)
        first, second = draw_view_pairs(self.pool.azimuth_deg[things], rng)
        behind = draw_backgrounds(count, rng)
        reference, target = (composite(self.pool.rgba[things, views], behind) for views in (first, second))
        pose = relative_pose(*(self.viewpoints(things, views) for views in (first, second)))
        kept = torch.from_numpy(rng.random(count) >= CONDITION_DROPOUT).to(self.base.device, torch.float32)
        embeds = self.embeds(reference)
        token = context_token(self.projection, embeds, pose.to(embeds)) * kept[:, None, None]
        unscaled = self.base.latents(reference) / self.base.prior.autoencoder.scaling_factor
        beside = unscaled * kept[:, None, None, None]

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            return self.unet(torch.cat([xt, beside], 1), t, token, return_dict=False)[0]

        alphas_cumprod = self.base.prior.alphas_cumprod
        generator = seeded(self.settings.seed, step)
        return v_loss(predict, self.base.latents(target), alphas_cumprod, generator, min_weight=LAYOUT_FROM_CONDITION)

    def embeds(self, images: Float32[ndarray, "batch 3 H W"]) -> Float[Tensor, "batch width"]:
        """Return the image embeddings of sRGB images in 0 to 1."""
        rgb = torch.from_numpy(images).to(self.base.device)
        return self.encoder(pixel_values=clip_pixels(rgb, rgb.shape[-1])).image_embeds

    def viewpoints(self, things: np.ndarray, views: np.ndarray) -> Viewpoints:
        """Return from where views of toys are seen."""
        elevation, azimuth = self.pool.elevation_deg[things, views], self.pool.azimuth_deg[things, views]
        distance = torch.full((len(things),), DISTANCE)
        return Viewpoints(torch.from_numpy(elevation), torch.from_numpy(azimuth), distance)

    def export(self, folder: Path) -> None:
        """Write everything in half precision, and a copy of the text-to-image prior's autoencoder."""
        save_half(self.unet, folder / "unet")
        save_half(self.encoder, folder / "image_encoder")
        build_scheduler().save_pretrained(folder / "scheduler")
        (folder / "cc_projection").mkdir(exist_ok=True)
        tensors = {name: tensor.detach().half().contiguous() for name, tensor in self.projection.state_dict().items()}
        path = folder / "cc_projection" / "diffusion_pytorch_model.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        shutil.copytree(self.base.folder / "vae", folder / "vae", dirs_exist_ok=True)


def draw_view_pairs(
    azimuth_deg: Float32[ndarray, "toys views"], rng: np.random.Generator
) -> tuple[Int64[ndarray, " toys"], Int64[ndarray, " toys"]]:
    """Return a reference and another view of each toy; ``FRONT_REFERENCES`` of the former are its most frontal one."""
    off_front = np.abs((azimuth_deg + 180) % 360 - 180)
    is_front = rng.random(len(azimuth_deg)) < FRONT_REFERENCES
    order = rng.permuted(np.tile(np.arange(azimuth_deg.shape[1]), (len(azimuth_deg), 1)), axis=1)
    first = np.where(is_front, off_front.argmin(1), order[:, 0])
    return first, np.where(order[:, 0] == first, order[:, 1], order[:, 0])


def widened(unet: Any) -> UNet2DConditionModel:
    """Return a copy of a UNet that takes as many channels more as it gives; at first it ignores them."""
    config = {name: value for name, value in unet.config.items() if not name.startswith("_")}
    wide = UNet2DConditionModel(**(config | {"in_channels": 2 * config["out_channels"]}))
    tensors = unet.state_dict()
    weight = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat([weight, torch.zeros_like(weight)], 1)
    wide.load_state_dict(tensors)
    return wide


def make_learner(options: TrainingOptions, settings: TrainingSettings, pool: ViewPool) -> NovelViewLearner:
    """Widen the text-to-image prior's UNet; the encoder is the image prompt's where it lies beside it."""
    base = load_base(options)
    trained = encoder_beside(options)
    if trained is None:
        encoder = warmed_up_encoder(options, open_pool(options, THINGS))
    else:
        encoder = load_trainable_encoder(trained, options.device)
    with first_weights(options.seed):
        unet: Any = widened(base.prior.unet)
        width = unet.config.cross_attention_dim
        projection = nn.Linear(encoder.config.projection_dim + POSE, width).to(options.device)
    learner = NovelViewLearner(
        pool,
        base,
        unet.to(options.device, memory_format=torch.channels_last),
        projection,
        encoder,
        settings,
    )
    speak_as_captions(learner)
    return learner


@torch.no_grad()
def speak_as_captions(learner: NovelViewLearner) -> None:
    """Fit the token to the mean text token of the caption of the view to draw, by ridge regression.

    Each reference counts as seen from the very front, else its azimuth would dilute the weights of the pose.
    The UNet then understands the token from the first step: the mean of a caption's tokens draws its object in 6 of 10
    pictures and its view in 7. From a random start, whatever the size of its weights, the UNet learned to ignore it.
    """
    pool, rng = learner.pool, np.random.default_rng((learner.settings.seed, 7))
    inputs, tokens = [], []
    for _ in range(0, FIT_IMAGES, FIT_BATCH):
        things = rng.integers(len(pool), size=FIT_BATCH)
        first, second = draw_view_pairs(pool.azimuth_deg[things], rng)
        rgb = composite(pool.rgba[things, first], draw_backgrounds(FIT_BATCH, rng))
        pose = relative_pose(facing_front(learner.viewpoints(things, first)), learner.viewpoints(things, second))
        inputs.append(torch.cat([learner.embeds(rgb), pose.to(learner.base.device)], 1))
        words = zip(pool.noun[things], pool.color[things], pool.azimuth_deg[things, second], strict=True)
        texts = [caption(NOUNS[noun], COLOR_WORDS[color], view=view_word(float(turn))) for noun, color, turn in words]
        tokens.append(learner.base.prior.encode_text(texts).mean(1))
    fit_linear(learner.projection, torch.cat(inputs), torch.cat(tokens))
    learner.projection.weight[:, -POSE:] *= POSE_GAIN


def facing_front(viewpoints: Viewpoints) -> Viewpoints:
    """Return the same viewpoints at azimuth 0."""
    return dataclasses.replace(viewpoints, azimuth_deg=torch.zeros_like(viewpoints.azimuth_deg))


def run(options: TrainingOptions) -> None:
    """Train and write weights, card and contact sheet."""
    require_writable_folder(options.out)
    base = load_base(options)  # a wrong --start is refused before minutes of work
    trained = encoder_beside(options)
    encoder = "warmed up by this run" if trained is None else weights_digest(trained)
    pool = build_views(training_pairs(()), options.things or THINGS, VIEWS, options.seed, cache=options.cache)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=7e-4,
        learning_rates=RATES,
        seed=options.seed,
        ema_decay=0.997,
        device=options.device,
        facts={"things": len(pool), "views": VIEWS, "start": base.digest, "encoder": encoder},
    )
    learner = make_learner(options, settings, pool)
    report = train(learner, settings, options.out)
    facts = {
        "toys": len(pool),
        "images": VIEWS * len(pool),
        "batch": BATCH,
        "seed": options.seed,
        "start": base.digest,
        "encoder": encoder,
        "condition_dropout": CONDITION_DROPOUT,
        "front_references": FRONT_REFERENCES,
        "distance": DISTANCE,
        "weights": sum(p.numel() for module in learner.modules.values() for p in module.parameters()),
    }
    write_card(options.out, "novel-view", report, facts, _sheet(options) if options.draws_sheet else None)


def _sheet(options: TrainingOptions) -> Path:
    """Draw ``samples.jpg``: reference, true view, generated view, eight a row."""
    # Only here: the evaluation is no part of what is trained.
    from limbeck.evaluation.novel_view import draw_turned  # noqa: PLC0415

    prior = load_prior(str(options.out), "novel_view", options.device)
    turned = draw_turned(prior, 16, seed=5)
    rows = [part[start : start + 8] for start in (0, 8) for part in (turned.reference, turned.target, turned.generated)]
    return save_sheet(torch.cat(rows), 8, options.out)
