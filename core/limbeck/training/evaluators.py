# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the judges: the object-and-colour classifier and the front detector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy, pad

from limbeck.evaluation.loading import CLASSIFIER, FRONT, Judges, new_judges, save_judge
from limbeck.evaluation.models import BIN_DEG, BINS
from limbeck.evaluation.renders import judge_renders
from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS, held_out_pairs
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import open_pool
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.trainer import TrainingSettings, train

STEPS, BATCH, THINGS = 2400, 48, 8000
STRETCH_WEIGHT = 5.0
"""The log of proportions has variance 0.01 or so; this makes its loss worth a tenth of the others at first."""
TARGET_SIGMA_DEG = 10.0
RECOLORED = 0.35
"""Share of the pictures whose colours are changed, and not asked for."""


@dataclass(frozen=True)
class JudgesLearner:
    """Learns words, proportions and azimuths from pictures of a pool; both networks read the same features."""

    judges: Judges
    pool: Pool
    settings: TrainingSettings

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """Both networks; what they share is trained once."""
        return {"classifier": self.judges.classifier, "front": self.judges.front}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return all the cross entropies and the error of the proportions, added up."""
        rng, device, pool = np.random.default_rng((self.settings.seed, 4, step)), self.settings.device, self.pool
        groups = rng.integers(len(pool), size=self.settings.batch)
        rgb, views = draw_augmented(pool, groups, rng)
        rgb, is_own_color = recolor(rgb, rng)
        features = self.judges.classifier.features(rgb.to(device))
        judged = self.judges.classifier.judge(features)
        noun, color, pattern, own = (
            torch.from_numpy(values).to(device)
            for values in (pool.noun[groups], pool.color[groups], pool.pattern[groups], is_own_color)
        )
        log_stretch = np.log(pool.stretch[groups])
        stretch = torch.from_numpy(log_stretch - log_stretch.mean(1, keepdims=True)).to(device)
        held = held_out_mask().to(device)
        unknown_nouns = held[:, color].T & own[:, None]
        color_losses = cross_entropy(judged.color.masked_fill(held[noun], -torch.inf), color, reduction="none")
        losses = {
            "noun": cross_entropy(judged.noun.masked_fill(unknown_nouns, -torch.inf), noun),
            "color": (color_losses * own).sum() / own.sum().clamp_min(1),
            "pattern": cross_entropy(judged.pattern, pattern),
            "stretch": (judged.stretch - stretch).square().mean() * STRETCH_WEIGHT,
            "azimuth": self._azimuth_loss(features, groups, pool.azimuth_deg[groups, views]),
        }
        return torch.stack(list(losses.values())).sum(), {name: float(loss.detach()) for name, loss in losses.items()}

    def _azimuth_loss(self, features: Tensor, groups: np.ndarray, azimuth_deg: np.ndarray) -> Tensor:
        """Return the mean over the objects that have a front."""
        fronted = torch.from_numpy(has_front(self.pool, groups)).to(features.device)
        targets = azimuth_targets(torch.from_numpy(azimuth_deg)).to(features.device)
        each = cross_entropy(self.judges.front.detect(features), targets, reduction="none")
        return (each * fronted).sum() / fronted.sum().clamp_min(1)

    def export(self, folder: Path) -> None:
        """Write both networks."""
        save_judge(self.judges.classifier, folder, CLASSIFIER)
        save_judge(self.judges.front, folder, FRONT)


def has_front(pool: Pool, groups: np.ndarray) -> np.ndarray:
    """Return whether each toy's front cannot be taken for another side."""
    return np.array([noun in FRONTED for noun in NOUNS])[pool.noun[groups]]


def azimuth_targets(azimuth_deg: Float[Tensor, " batch"]) -> Float[Tensor, "batch bins"]:
    """Return distributions over the bins: a wrapped bell, so that a miss by one bin costs little."""
    off = azimuth_deg[:, None] - torch.arange(BINS) * BIN_DEG
    off = (off + 180.0) % 360.0 - 180.0
    return (-0.5 * (off / TARGET_SIGMA_DEG).square()).softmax(1)


def held_out_mask() -> Bool[Tensor, "nouns colors"]:
    """Return which pairs no training shows.

    The losses leave them out of the sums, or else the judges would learn that a duck is never white.
    """
    held = held_out_pairs()
    return torch.tensor([[(noun, color) in held for color in COLOR_WORDS] for noun in NOUNS])


def recolor(
    rgb: Float[Tensor, "batch 3 H W"], rng: np.random.Generator
) -> tuple[Float[Tensor, "batch 3 H W"], Bool[ndarray, " batch"]]:
    """Shuffle, fade, darken or brighten the colours of some pictures, so that objects are told by shape.

    Returns:
        The pictures, and which of them kept their colours.
    """
    count = len(rgb)
    is_kept = rng.random(count) >= RECOLORED
    order = torch.from_numpy(rng.permuted(np.tile(np.arange(3), (count, 1)), axis=1))
    shuffled = rgb.gather(1, order[:, :, None, None].expand_as(rgb))
    saturation, gain = torch.from_numpy(rng.uniform((0.0, 0.4), (1.0, 1.8), (count, 2)).astype(np.float32)).T
    faded = torch.lerp(shuffled.mean(1, keepdim=True), shuffled, saturation[:, None, None, None])
    changed = (faded * gain[:, None, None, None]).clamp(0, 1)
    return torch.where(torch.from_numpy(is_kept)[:, None, None, None], rgb, changed), is_kept


def draw_augmented(
    pool: Pool, groups: np.ndarray, rng: np.random.Generator
) -> tuple[Float[Tensor, "batch 3 H W"], np.ndarray]:
    """Draw one view of every toy over a random background, a little worse than rendered; return (pictures, views)."""
    views = rng.integers(pool.rgba.shape[1], size=len(groups))
    rgb = torch.from_numpy(pool.images(groups, views, rng))
    brightness = torch.from_numpy(rng.uniform(0.9, 1.1, (len(groups), 1, 1, 1)).astype(np.float32))
    sigmas = np.where(rng.random(len(groups)) < 0.5, 0.05, rng.uniform(0.3, 1.2, len(groups)))
    noise = rng.standard_normal(rgb.shape, np.float32) * rng.uniform(0, 0.04, (len(groups), 1, 1, 1)).astype(np.float32)
    return (blur(rgb * brightness, torch.from_numpy(sigmas).float()) + torch.from_numpy(noise)).clamp(0, 1), views


def blur(rgb: Float[Tensor, "batch 3 H W"], sigmas: Float[Tensor, " batch"]) -> Float[Tensor, "batch 3 H W"]:
    """Blur each picture by a Gaussian of its own width in pixels, cut off at 3 pixels."""
    batch, _, height, width = rgb.shape
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    kernels = (-0.5 * (offsets / sigmas[:, None]).square()).softmax(1).repeat_interleave(3, 0)
    rows = pad(rgb, (3, 3, 3, 3), mode="replicate").reshape(1, batch * 3, height + 6, width + 6)
    rows = conv2d(rows, kernels[:, None, None, :], groups=batch * 3)
    return conv2d(rows, kernels[:, None, :, None], groups=batch * 3).reshape(batch, 3, height, width)


def run(options: TrainingOptions) -> None:
    """Train both judges together, and write them with one card."""
    require_writable_folder(options.out)
    pool = open_pool(options, THINGS)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=2e-3,
        seed=options.seed,
        ema_decay=0.99,
        clip_norm=5.0,
        device=options.device,
        facts={"things": len(pool)},
    )
    with first_weights(options.seed):
        judges = new_judges()
    for network in (judges.classifier, judges.front):
        network.to(options.device)
        network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    learner = JudgesLearner(judges, pool, settings)
    report = train(learner, settings, options.out)
    measured = asdict(judge_renders(Judges.load(options.out), cache=options.cache))
    facts = {"toys": len(pool), "images": 4 * len(pool), "batch": BATCH, "seed": options.seed, **measured}
    write_card(options.out, "evaluation models", report, facts)
