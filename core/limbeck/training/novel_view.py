# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the novel-view prior in Zero-1-to-3's layout (arXiv:2303.11328), from the multi-view prior's weights.

Its UNet takes the reference's latents beside the noisy ones, so it has twice the channels; those for the reference
start at zero. The context is one token made of the image embedding and the relative pose (``novel_view_start.py``).
"""

from __future__ import annotations

import copy
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

from limbeck.playset.cameras import camera_condition
from limbeck.playset.captions import caption
from limbeck.playset.pool import composite, draw_backgrounds
from limbeck.playset.render import DISTANCE
from limbeck.playset.things import COLOR_WORDS, NOUNS
from limbeck.playset.views import ViewPool, build_views, training_pairs
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.image_encoder import clip_pixels
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import POSE, NovelViewPrior, Viewpoints, context_token, relative_pose
from limbeck.schedules import Schedule, as_plain, constant
from limbeck.training.adapting import Base, LatentBase, encoder_beside, load_base, read_pca
from limbeck.training.diffusion_loss import LAYOUT_FROM_CONDITION, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import open_pool
from limbeck.training.image_encoder import load_trainable_encoder, save_half, warmed_up_encoder
from limbeck.training.networks import build_scheduler
from limbeck.training.novel_view_start import Lesson, own_config, require_text_embedding, teach_token, widened
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import save_sheet
from limbeck.training.starting import weights_digest
from limbeck.training.token_fit import FIT_BATCH, FIT_IMAGES
from limbeck.training.trainer import TrainingSettings, train

LATENTS_HIDDEN = Schedule(((0.0, 1.0), (0.1, 1.0), (0.4, 0.25)))
"""Share of samples whose UNet sees the reference by the token alone, over the run, so that the token stays understood.

From a text-to-image start with the latents shown from the first step, the pose moved the output by an eighth of
what the image did and less; from the multi-view start that was not tried.
"""
FRONT_REFERENCES = Schedule(((0.0, 1.0), (0.6, 1.0), (1.0, 0.7)))
"""Share of references that show a toy from the front, within ``FRONT_DEG``, as a user's picture mostly does.

From references of any azimuth neither the relative pose alone nor the reference alone says anything about the view to
draw, so that no small change of the weights lowers the loss.
"""
FRONT_DEG = 20.0
PROJECTION = "cc_projection"
STEPS = 7000
BATCH = 16
THINGS = 8000
VIEWS = 4
CONDITION_DROPOUT = 0.1
RATES: Mapping[str, float] = {"image_encoder": 0.15, "unet.conv_in": 2.0}
"""Factors of the learning rate."""


@dataclass(frozen=True)
class NovelViewLearner:
    """A UNet with twice the channels, the projection of image and pose, and the image encoder.

    Attributes:
        base: the prior that it started from, frozen.
        latents_hidden: share of samples whose UNet sees the reference by the token alone, over the run.
        front_references: share of references that show a toy from the front, over the run.
    """

    pool: ViewPool
    base: LatentBase
    unet: Any
    projection: nn.Linear
    encoder: Any
    settings: TrainingSettings
    latents_hidden: Schedule = LATENTS_HIDDEN
    front_references: Schedule = FRONT_REFERENCES

    @property
    def modules(self) -> dict[str, nn.Module]:
        """All three are trained."""
        return {"unet": self.unet, "projection": self.projection, "image_encoder": self.encoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch: a view of a toy, given another over the same background."""
        rng, count = np.random.default_rng((self.settings.seed, 6, step)), self.settings.batch
        progress = step / self.settings.steps
        things, first, second = draw_pairs(self.pool, count, self.front_references(progress), rng)
        behind = draw_backgrounds(count, rng)
        reference, target = (composite(self.pool.rgba[things, views], behind) for views in (first, second))
        pose = relative_pose(*(self.viewpoints(things, views) for views in (first, second)))
        kept = torch.from_numpy(rng.random(count) >= CONDITION_DROPOUT).to(self.base.device, torch.float32)
        embeds = self.embeds(reference)
        token = context_token(self.projection, embeds, pose.to(embeds)) * kept[:, None, None]
        unscaled = self.base.latents(reference) / self.base.prior.autoencoder.scaling_factor
        is_shown = torch.from_numpy(rng.random(count) >= self.latents_hidden(progress)).to(kept)
        beside = unscaled * (kept * is_shown)[:, None, None, None]

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
        """Write everything in half precision, and a copy of the start's autoencoder."""
        save_half(self.unet, folder / "unet")
        save_half(self.encoder, folder / "image_encoder")
        build_scheduler().save_pretrained(folder / "scheduler")
        (folder / PROJECTION).mkdir(exist_ok=True)
        tensors = {name: tensor.detach().half().contiguous() for name, tensor in self.projection.state_dict().items()}
        path = folder / PROJECTION / "diffusion_pytorch_model.safetensors"
        save_file(tensors, path, metadata={"format": "pt"})
        shutil.copytree(self.base.folder / "vae", folder / "vae", dirs_exist_ok=True)


def draw_pairs(
    pool: ViewPool, count: int, front_share: float, rng: np.random.Generator
) -> tuple[Int64[ndarray, " count"], Int64[ndarray, " count"], Int64[ndarray, " count"]]:
    """Return toys, a reference view of each and another; ``front_share`` of the references are from the front.

    Where no toy has a view within ``FRONT_DEG`` of it, the most frontal view of all is the front.
    """
    off_front = np.abs((pool.azimuth_deg + 180) % 360 - 180)
    frontal = np.flatnonzero(off_front.min(1) <= max(FRONT_DEG, off_front.min()))
    is_front = rng.random(count) < front_share
    things = np.where(is_front, rng.choice(frontal, count), rng.integers(len(pool), size=count))
    order = rng.permuted(np.tile(np.arange(pool.azimuth_deg.shape[1]), (count, 1)), axis=1)
    first = np.where(is_front, off_front[things].argmin(1), order[:, 0])
    return things, first, np.where(order[:, 0] == first, order[:, 1], order[:, 0])


def make_learner(options: TrainingOptions, settings: TrainingSettings, pool: ViewPool) -> NovelViewLearner:
    """Widen the multi-view prior's UNet and teach it the token; the encoder is the image prompt's if beside it."""
    base = load_base(options, "multi_view")
    trained = encoder_beside(options)
    if trained is None:
        encoder = warmed_up_encoder(options, open_pool(options, THINGS))
    else:
        encoder = load_trainable_encoder(trained, options.device)
    with first_weights(options.seed):
        unet: Any = widened(base.prior.unet)
        unet.to(options.device, memory_format=torch.channels_last)
        projection = nn.Linear(encoder.config.projection_dim + POSE, unet.config.cross_attention_dim).to(options.device)
    learner = NovelViewLearner(pool, base, unet, projection, encoder, settings)
    lesson = draw_lesson(learner, base.prior)
    teach_token(projection, unet, base.prior.unet, lesson, seeded(options.seed, 0))
    return learner


def further_learner(options: TrainingOptions, settings: TrainingSettings, pool: ViewPool) -> NovelViewLearner:
    """Take up a novel-view prior that was trained before, with the shares at which its training ended."""
    base = _load_trained(options)
    with first_weights(options.seed):
        unet: Any = UNet2DConditionModel(**own_config(base.prior.unet))
        unet.load_state_dict(base.prior.unet.state_dict())
    return NovelViewLearner(
        pool,
        base,
        unet.to(options.device, memory_format=torch.channels_last),
        copy.deepcopy(base.prior.projection).requires_grad_(True),
        load_trainable_encoder(base.folder / "image_encoder", options.device),
        settings,
        constant(LATENTS_HIDDEN(1.0)),
        constant(FRONT_REFERENCES(1.0)),
    )


@dataclass(frozen=True)
class _Trained(LatentBase):
    prior: NovelViewPrior


def _load_trained(options: TrainingOptions) -> _Trained:
    prior = load_prior(str(options.start), "novel_view", options.device)
    return _Trained(Path(options.start or ""), prior, read_pca(Path(options.start or ""), "novel_view"))


@torch.no_grad()
def draw_lesson(learner: NovelViewLearner, teacher: DiffusionPrior) -> Lesson:
    """Draw references from the front, other views of the same toys, and what the multi-view prior is told of those."""
    pool, rng = learner.pool, np.random.default_rng((learner.settings.seed, 7))
    device = learner.base.device
    parts = []
    for _ in range(0, FIT_IMAGES, FIT_BATCH):
        things, first, second = draw_pairs(pool, FIT_BATCH, 1.0, rng)
        rgb = composite(pool.rgba[things, first], draw_backgrounds(FIT_BATCH, rng))
        words = zip(pool.noun[things], pool.color[things], strict=True)
        parts.append(
            (
                learner.embeds(rgb),
                relative_pose(learner.viewpoints(things, first), learner.viewpoints(things, second)).to(device),
                teacher.encode_text([caption(NOUNS[noun], COLOR_WORDS[color]) for noun, color in words]),
                camera_condition(pool.azimuth_deg[things, second], pool.elevation_deg[things, second]).to(device),
            )
        )
    return Lesson(*(torch.cat(column) for column in zip(*parts, strict=True)))


def run(options: TrainingOptions) -> None:
    """Train and write weights, card and contact sheet."""
    require_writable_folder(options.out)
    goes_on = options.start is not None and (options.start / PROJECTION).is_dir()
    base = _load_trained(options) if goes_on else load_base(options, "multi_view")  # refused before minutes of work
    if isinstance(base, Base):
        require_text_embedding(base.prior.unet, base.folder)
    trained = base.folder / "image_encoder" if goes_on else encoder_beside(options)
    encoder = "warmed up by this run" if trained is None else weights_digest(trained)
    pool = build_views(training_pairs(()), options.things or THINGS, VIEWS, options.seed, cache=options.cache)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=5e-4,
        learning_rates=RATES,
        seed=options.seed,
        ema_decay=0.997,
        device=options.device,
        facts={"things": len(pool), "views": VIEWS, "start": base.digest, "encoder": encoder},
    )
    learner = (further_learner if goes_on else make_learner)(options, settings, pool)
    report = train(learner, settings, options.out)
    facts = {
        "toys": len(pool),
        "images": VIEWS * len(pool),
        "batch": BATCH,
        "seed": options.seed,
        "start": base.digest,
        "encoder": encoder,
        "condition_dropout": CONDITION_DROPOUT,
        "latents_hidden": as_plain(learner.latents_hidden),
        "front_references": as_plain(learner.front_references),
        "front_deg": FRONT_DEG,
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
