# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What distillation asks of a diffusion model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

Role = Literal["text_to_image", "multi_view"]
AdaptedRole = Literal["image_prompt", "structure"]
"""The text-to-image model with an IP-Adapter, or with a ControlNet."""


@dataclass(frozen=True)
class PriorSpec:
    """What a prior is and what it was trained on.

    Attributes:
        name: where it came from, for the asset's metadata.
        image_size: pixels per side of the images it was trained on.
        views_per_group: 1, or how many views of one object must be contiguous in a batch (MVDream: 4).
        is_camera_conditioned: whether ``eps`` needs ``Cond.camera``.
        background: darkest and lightest grey level (sRGB, 0 to 1) behind its training images; None for any background.
        fov_y_deg, elevation_deg, extent: the cameras of its training images; ``extent`` is the half-height that the
            image spans at the object's centre. None where it saw any camera.
        known_words: every word of its captions, or None for a model of natural language.
        subjects: the objects and colours that a prompt can name, for messages.
    """

    name: str
    image_size: int
    views_per_group: int = 1
    is_camera_conditioned: bool = False
    background: tuple[float, float] | None = None
    fov_y_deg: tuple[float, float] | None = None
    elevation_deg: tuple[float, float] | None = None
    extent: tuple[float, float] | None = None
    known_words: tuple[str, ...] | None = None
    subjects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cond:
    """What a noise prediction is conditioned on, per sample of the batch.

    Attributes:
        text: text embeddings; for a novel-view prior the one context token that image and pose become.
        camera: MVDream's camera condition (``cameras.mvdream_camera``), for priors that take one.
        image: IP-Adapter image embeddings (``DiffusionPrior.encode_image``); zeros are the proper unconditional ones.
        image_scale: gate of the image prompt; 0 is the base model bit for bit, None is 1 for every sample.
        control: ControlNet's image, 0 to 1, for priors that take one.
        control_scale: gate of the control; 0 is the base model bit for bit, None is 1 for every sample.
        reference: Zero-1-to-3's image latents, not scaled; zeros in the unconditional branch.
    """

    text: Float[Tensor, "batch tokens width"]
    camera: Float[Tensor, "batch 16"] | None = None
    image: Float[Tensor, "batch images dim"] | None = None
    image_scale: Float[Tensor, " batch"] | None = None
    control: Float[Tensor, "batch 3 H W"] | None = None
    control_scale: Float[Tensor, " batch"] | None = None
    reference: Float[Tensor, "batch channels h w"] | None = None


def stack_conds(conds: Sequence[Cond]) -> Cond:
    """Concatenate conditions along the batch, so that all branches share one forward pass.

    Raises:
        ValueError: if only some of them carry a camera, an image or another optional condition.
    """
    return Cond(**{field.name: _stacked(field.name, conds) for field in fields(Cond)})


def split_cond(cond: Cond, size: int) -> list[Cond]:
    """Return a batch's condition as those of its parts of ``size`` samples; the last part may have fewer."""
    parts = {
        field.name: value.split(size) for field in fields(Cond) if (value := getattr(cond, field.name)) is not None
    }
    return [Cond(**{name: values[index] for name, values in parts.items()}) for index in range(len(parts["text"]))]


def _stacked(name: str, conds: Sequence[Cond]) -> Any:
    present = [value for cond in conds if (value := getattr(cond, name)) is not None]
    if not present:
        return None
    if len(present) != len(conds):
        article = "an" if name[0] in "aeiou" else "a"
        raise ValueError(f"expected {article} {name} in all {len(conds)} conditions or in none, got {len(present)}")
    return torch.cat(present)


@runtime_checkable
class Prior(Protocol):
    """A frozen diffusion model. Nothing here has trainable parameters; ``encode`` passes gradients to its input."""

    @property
    def spec(self) -> PriorSpec:
        """What it is."""
        ...

    @property
    def alphas_cumprod(self) -> Float[Tensor, " timesteps"]:
        """The cumulative products of 1 - beta, by timestep."""
        ...

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return latents of sRGB images in 0 to 1; differentiable."""
        ...

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return sRGB images in 0 to 1."""
        ...

    def eps(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the predicted noise, whatever the model itself predicts."""
        ...


@runtime_checkable
class TextPrior(Prior, Protocol):
    """A prior that words condition."""

    def fit_prompt(self, prompt: str, suffix: str) -> str:
        """Return the prompt, shortened by whole words if it and the suffix do not fit the text encoder."""
        ...

    def encode_text(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return text embeddings."""
        ...
