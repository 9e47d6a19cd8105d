# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the novel-view prior begins with: the multi-view prior's UNet, which knows cameras, told of them by a token.

The multi-view UNet adds an embedding of the camera to that of the time, beside one of the text. Zero-1-to-3's layout
has nothing beside its one context token, so the text's embedding is fitted to give the sum of both, from a token that
says what the caption says and, in directions of its own, the pose. From a text-to-image UNet, which has no notion of
left and right, the pose was not learned in 5,000 steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.errors import LimbeckError
from limbeck.priors.novel_view import POSE, context_token
from limbeck.training.token_fit import fit_linear

POSE_LENGTH = 0.5
"""Length of the token's directions for one unit of sine, cosine or polar angle, in lengths of the mean token."""
FIT_STEPS, FIT_BATCH, FIT_RATE = 3000, 256, 2e-3


@dataclass(frozen=True)
class Lesson:
    """What the token shall say, by examples.

    Attributes:
        embeds: of the reference images.
        pose: relative, from the reference to the view to draw.
        words: the caption's token embeddings.
        camera: MVDream's, of the view to draw.
    """

    embeds: Float[Tensor, "samples width"]
    pose: Float[Tensor, "samples 4"]
    words: Float[Tensor, "samples tokens text_width"]
    camera: Float[Tensor, "samples 16"]


def own_config(unet: Any) -> dict[str, Any]:
    """Return the settings of a UNet without what diffusers notes of its file: a saved copy would name its path."""
    return {name: value for name, value in unet.config.items() if not name.startswith("_")}


def widened(unet: Any) -> UNet2DConditionModel:
    """Return a single-view copy of a multi-view UNet that takes as many channels more as it gives.

    At first it ignores them. Its camera embedding is left out.
    """
    config = own_config(unet)
    changes = {
        "in_channels": 2 * config["out_channels"],
        "class_embed_type": None,
        "projection_class_embeddings_input_dim": None,
    }
    wide = UNet2DConditionModel(**(config | changes))
    tensors = {name: tensor for name, tensor in unet.state_dict().items() if not name.startswith("class_embedding.")}
    weight = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat([weight, torch.zeros_like(weight)], 1)
    wide.load_state_dict(tensors)
    return wide


def require_text_embedding(unet: Any, folder: Path) -> None:
    """Refuse a UNet without the embedding that the camera's is folded into.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    kind = unet.config.addition_embed_type
    if kind != "text":
        raise LimbeckError(
            "E_MODEL_INCOMPLETE",
            f"expected a UNet with addition_embed_type 'text' in {folder.name!r}, got {kind!r}",
            "start from a prior that python -m limbeck.training multi-view has trained",
        )


def teach_token(projection: nn.Linear, unet: Any, teacher: Any, lesson: Lesson, generator: torch.Generator) -> float:
    """Fit projection and text embedding in place, so that the token does what caption and camera did for ``teacher``.

    Returns:
        The share of the variance of the embeddings' sum that the fit leaves.
    """
    with torch.no_grad():
        mean = lesson.words.mean(1)
        fit_linear(projection, torch.cat([lesson.embeds, lesson.pose], 1), mean)
        directions = torch.linalg.qr(torch.randn(mean.shape[1], POSE, generator=generator))[0].to(mean)
        projection.weight[:, -POSE:] = POSE_LENGTH * mean.norm(dim=1).mean() * directions
        tokens = context_token(projection, lesson.embeds, lesson.pose)
        target = teacher.add_embedding(lesson.words) + teacher.class_embedding(lesson.camera)
    return _fit(unet.add_embedding, tokens, target, generator)


def _fit(
    embedding: nn.Module,
    tokens: Float[Tensor, "samples 1 width"],
    target: Float[Tensor, "samples out"],
    generator: torch.Generator,
) -> float:
    optimizer = torch.optim.Adam(embedding.parameters(), FIT_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FIT_STEPS)
    for _ in range(FIT_STEPS):
        batch = torch.randint(len(tokens), (FIT_BATCH,), generator=generator)
        loss = (embedding(tokens[batch]) - target[batch]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        left = (embedding(tokens) - target).square().sum() / (target - target.mean(0)).square().sum()
    return float(left)
