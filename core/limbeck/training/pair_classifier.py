# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train C(I) on pairs of views (JointDreamer, arXiv:2407.12291, supplement 1.1).

Pairs of views of one toy are in the batch twice, once with the right and once with a wrong relative camera; pairs of
different toys join them. Their losses weigh 1/2, 1/4 and 1/4, so that yes and no are balanced (the paper draws the same
kinds by chance, where a yes is one of four). Three further heads on the shared image feature, for object, colour and
azimuth, teach the small backbone to see, at first alone; they are thrown away.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import ViTConfig, ViTModel

from limbeck.errors import LimbeckError
from limbeck.evaluation.pair_classifier import measure
from limbeck.evaluation.toy_pairs import relative_orbit_cameras
from limbeck.playset.pool import SIZE
from limbeck.playset.things import COLOR_WORDS, NOUNS
from limbeck.playset.views import ViewPool, build_views, training_pairs
from limbeck.priors.pair_classifier import (
    PairClassifier,
    PairSettings,
    load_backbone,
    load_pair_classifier,
    save_pair_classifier,
)
from limbeck.training.disk import require_writable_folder
from limbeck.training.options import TrainingOptions
from limbeck.training.pair_batches import IMAGES_PER_BATCH, Batch, Pairs, draw_batch, draw_pairs
from limbeck.training.report import TrainingReport, write_card
from limbeck.training.seeding import first_weights
from limbeck.training.starting import weights_digest
from limbeck.training.trainer import TrainingSettings, train

LEFT_OUT = ("frog", "camera")
"""Objects that the shipped classifier never saw."""

STEPS = 9000
THINGS, VIEWS = 8000, 6
VIEWS_PER_THING = 4
KIND_WEIGHTS: Mapping[str, float] = {"right": 0.5, "wrong": 0.25, "other": 0.25}
NO_COLOR = -1
WARM_UP_SHARE = 0.4
"""Of the run: so long the side tasks train the backbone alone, on views of as many toys. The head needs but a few
hundred steps once the backbone sees."""

SMALL_VIT: Mapping[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "intermediate_size": 512,
    "image_size": SIZE,
    "patch_size": 16,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "initializer_range": 0.08,  # transformers' 0.02 suits a width of 768: so narrow a ViT would hardly start
}


class SideTasks(nn.Module):
    """What else an image feature must tell: object, colour, azimuth.

    Its first quarter is a compass: number k of K should be cos(azimuth - k / K of a turn), whatever the object. A
    pair's head finds the azimuth there at once; behind a linear layer, 2 directions of 128, it did not in 1,000 steps.
    """

    def __init__(self, width: int) -> None:
        """Take the feature's width."""
        super().__init__()
        self.noun = nn.Linear(width, len(NOUNS))
        self.color = nn.Linear(width, len(COLOR_WORDS))
        self.compass = width // 4

    def forward(
        self,
        features: Float[Tensor, "images width"],
        noun: Int64[Tensor, " images"],
        color: Int64[Tensor, " images"],
        azimuth_deg: Float[Tensor, " images"],
    ) -> Float[Tensor, ""]:
        """Return the loss; a compass that always says 0 loses 1."""
        off = azimuth_deg[:, None] - torch.arange(self.compass, device=features.device) * (360 / self.compass)
        azimuth = 2 * (features[:, : self.compass] - torch.cos(torch.deg2rad(off))).square().mean()
        named = cross_entropy(self.color(features), color, ignore_index=NO_COLOR)
        return azimuth + 0.5 * (cross_entropy(self.noun(features), noun) + named)


@dataclass(frozen=True)
class PairLearner:
    """The classifier, its side tasks and its data; before step ``pairs_from`` the side tasks are alone."""

    classifier: PairClassifier
    side_tasks: SideTasks
    pool: ViewPool
    seed: int
    pairs_from: int
    device: torch.device

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """What is trained."""
        return {"classifier": self.classifier, "side_tasks": self.side_tasks}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the side tasks' loss and, once they are due, the balanced loss of a step's pairs."""
        generator = np.random.default_rng((self.seed, step))
        is_warming_up = step < self.pairs_from
        batch = draw_batch(self.pool, generator, 1 if is_warming_up else VIEWS_PER_THING)
        features = self.classifier.features(batch.rgb.to(self.device))
        noun = torch.from_numpy(self.pool.noun[batch.thing])
        color = torch.from_numpy(np.where(batch.is_recolored, NO_COLOR, self.pool.color[batch.thing]))
        azimuth = torch.from_numpy(batch.azimuth_deg)
        side = self.side_tasks(features, noun.to(self.device), color.to(self.device), azimuth.to(self.device))
        figures = {"side_tasks": float(side.detach())}
        if is_warming_up:
            return side, figures
        total = side
        for kind, pairs in draw_pairs(self.pool, batch, generator).items():
            logits = self.classifier.head(features[pairs.first], features[pairs.second], self._cameras(batch, pairs))
            loss = binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(kind == "right")))
            total = total + KIND_WEIGHTS[kind] * loss
            figures[kind] = float(loss.detach())
        return total, figures

    def _cameras(self, batch: Batch, pairs: Pairs) -> Tensor:
        azimuths = (batch.azimuth_deg[pairs.first], pairs.azimuth_deg)
        elevations = (batch.elevation_deg[pairs.first], batch.elevation_deg[pairs.second])
        return relative_orbit_cameras(azimuths, elevations).to(self.device)

    def export(self, folder: Path) -> None:
        """Write the classifier."""
        save_pair_classifier(self.classifier, folder)


def training_settings(options: TrainingOptions, leave_out: Sequence[str]) -> TrainingSettings:
    """Return how the classifier is trained."""
    start = {} if options.start is None else {"start": weights_digest(options.start)}
    return TrainingSettings(
        steps=options.steps or STEPS,
        batch=IMAGES_PER_BATCH,
        learning_rate=1.5e-3,
        seed=options.seed,
        ema_decay=0.995,
        decay_from=0.6,
        device=options.device,
        facts={"things": options.things or THINGS, "views": VIEWS, "left_out": sorted(leave_out), **start},
    )


def make_learner(options: TrainingOptions, leave_out: Sequence[str]) -> PairLearner:
    """Render the data and build the models: on the ViT in ``options.start``, such as DINO's, else on a small one.

    Raises:
        LimbeckError: E_USAGE for an unknown object, E_MODEL_INCOMPLETE for a folder that holds no ViT.
    """
    try:
        pairs = training_pairs(leave_out)
    except ValueError as error:
        raise LimbeckError("E_USAGE", str(error), f"choose from {', '.join(NOUNS)}") from error
    with first_weights(options.seed):
        if options.start is not None:
            classifier = load_backbone(options.start)
        else:
            classifier = PairClassifier(small_vit(), PairSettings())
        side_tasks = SideTasks(classifier.vit.config.hidden_size)
    pool = build_views(pairs, options.things or THINGS, VIEWS, options.seed, cache=options.cache)
    return PairLearner(
        classifier.to(options.device),
        side_tasks.to(options.device),
        pool,
        options.seed,
        round(WARM_UP_SHARE * (options.steps or STEPS)),
        options.device,
    )


def small_vit() -> ViTModel:
    """Return the untrained backbone that ships; its positions start as sines and cosines, since they decide a pose."""
    vit = ViTModel(ViTConfig(**SMALL_VIT), add_pooling_layer=False)
    side, width = SIZE // SMALL_VIT["patch_size"], SMALL_VIT["hidden_size"]
    frequencies = 100 ** -(torch.arange(width // 4) / (width // 4))
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    waves = [wave(axis.reshape(-1, 1) * frequencies) for axis in (columns, rows) for wave in (torch.sin, torch.cos)]
    with torch.no_grad():
        vit.embeddings.position_embeddings[0, 1:] = 0.5 * torch.cat(waves, 1)
    return vit


def run(options: TrainingOptions, *, leave_out: Sequence[str] = LEFT_OUT) -> TrainingReport:
    """Train, measure on what was held out, and write weights and card.

    Raises:
        LimbeckError: E_USAGE, E_MODEL_INCOMPLETE, and those of ``train``.
    """
    require_writable_folder(options.out)
    settings = training_settings(options, leave_out)
    learner = make_learner(options, leave_out)
    report = train(learner, settings, options.out)
    figures = measure(load_pair_classifier(options.out, options.device), leave_out)
    facts = {
        "architecture": json.loads(learner.classifier.vit.config.to_json_string()).get("model_type", "vit"),
        "parameters": sum(parameter.numel() for parameter in learner.classifier.parameters()),
        "images": int(np.prod(learner.pool.rgba.shape[:2])),
        "seed": options.seed,
        **settings.facts,
        "measured": figures,
    }
    write_card(options.out, "pair-classifier", report, facts)
    return report
