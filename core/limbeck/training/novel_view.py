# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the novel-view prior in Zero-1-to-3's layout (arXiv:2303.11328), from the text-to-image prior's weights.

Its UNet takes the reference's latents beside the noisy ones, so it has twice the channels; those for the reference
start at zero. The context is one token made of the image embedding and the relative pose.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from limbeck.playset.pool import composite, draw_backgrounds
from limbeck.playset.render import DISTANCE
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
from limbeck.training.trainer import TrainingSettings, train

POSE_STD = 0.3
"""Of the pose's weights in the projection at first, larger than torch's default: from that, views of a run of 3,000
steps overlapped the true ones less than the input did. Whether this helps is not measured yet."""
STEPS = 4000
BATCH = 16
THINGS = 4000
VIEWS = 4
CONDITION_DROPOUT = 0.1
ENCODER_RATE = 0.1


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
        first, second = rng.permuted(np.tile(np.arange(self.pool.rgba.shape[1]), (count, 1)), axis=1)[:, :2].T
        behind = draw_backgrounds(count, rng)
        reference, target = (composite(self.pool.rgba[things, views], behind) for views in (first, second))
        pose = relative_pose(*(self._viewpoints(things, views) for views in (first, second)))
        kept = torch.from_numpy(rng.random(count) >= CONDITION_DROPOUT).to(self.base.device, torch.float32)
        rgb = torch.from_numpy(reference).to(self.base.device)
        embeds = self.encoder(pixel_values=clip_pixels(rgb, rgb.shape[-1])).image_embeds
        token = context_token(self.projection, embeds, pose.to(embeds)) * kept[:, None, None]
        unscaled = self.base.latents(reference) / self.base.prior.autoencoder.scaling_factor
        beside = unscaled * kept[:, None, None, None]

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            return self.unet(torch.cat([xt, beside], 1), t, token, return_dict=False)[0]

        alphas_cumprod = self.base.prior.alphas_cumprod
        generator = seeded(self.settings.seed, step)
        return v_loss(predict, self.base.latents(target), alphas_cumprod, generator, min_weight=LAYOUT_FROM_CONDITION)

    def _viewpoints(self, things: np.ndarray, views: np.ndarray) -> Viewpoints:
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
        projection = nn.Linear(encoder.config.projection_dim + POSE, width)
        nn.init.normal_(projection.weight[:, -POSE:], std=POSE_STD)
    return NovelViewLearner(
        pool,
        base,
        unet.to(options.device, memory_format=torch.channels_last),
        projection.to(options.device),
        encoder,
        settings,
    )


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
        learning_rate=1e-3,
        learning_rates={"image_encoder": ENCODER_RATE, "projection": 3.0},
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
