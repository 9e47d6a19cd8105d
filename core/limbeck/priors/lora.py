# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A trained copy of a diffusion prior: low-rank layers and a camera (ProlificDreamer, arXiv:2305.16213, section 4.2).

Every attention projection W of a copy of the UNet becomes W + B A (LoRA, arXiv:2106.09685), and the camera's 16 numbers
pass a small network whose output joins the time embedding, as MVDream's do. B and that network's last layer start at
zero: an untrained copy answers as the prior does. A prior that takes a camera already keeps its own network, frozen.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn

from limbeck.devices import uploaded
from limbeck.priors.asking import ask
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.ip_adapter import image_prompt_arguments
from limbeck.priors.prior import Cond
from limbeck.priors.rationing import Ration, ask_in_parts, whole_groups

CAMERA_NUMBERS = 16
PROJECTIONS = ("to_q", "to_k", "to_v", "to_out.0", "add_k_proj", "add_v_proj")
"""Of an attention; the last two are those of a UNet that reads text and pixels in one attention (DeepFloyd IF)."""


@dataclass(frozen=True)
class TrainingRule:
    """How the copy is trained.

    Attributes:
        rank: of the low-rank layers.
        learning_rate: of AdamW.
        camera_dropout: share of training samples without camera.
    """

    rank: int = 4
    learning_rate: float = 1e-4
    camera_dropout: float = 0.1


class LowRankLinear(nn.Module):
    """A frozen linear layer plus B A."""

    def __init__(self, base: nn.Linear, rank: int, generator: torch.Generator) -> None:
        """Take the layer; A starts at random, B at zero."""
        super().__init__()
        self.base = base
        drawn = torch.randn(rank, base.in_features, generator=generator) / rank
        self.down = nn.Parameter(drawn.to(base.weight.device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, hidden: Tensor) -> Tensor:
        """Return W x + B A x; A and B stay in float32, where small steps of learning count."""
        inner = nn.functional.linear(hidden.to(self.down.dtype), self.down)
        return self.base(hidden) + nn.functional.linear(inner, self.up).to(hidden.dtype)


class TrainedCopy:
    """A copy of a prior with trainable layers, its optimiser, and nothing else; ``tensors`` is all its state."""

    def __init__(self, prior: DiffusionPrior, rule: TrainingRule, generator: torch.Generator) -> None:
        """Copy the prior's UNet and give it layers to train.

        Args:
            prior: what to copy; it stays as it is.
            rule: how to train.
            generator: CPU generator of the layers' start.
        """
        unet = copy.deepcopy(prior.unet)
        add_low_rank_layers(unet, rule.rank, generator)
        if unet.class_embedding is None:
            add_camera(unet, generator)
        self.rule = rule
        self.prior = replace(prior, unet=unet)
        self.parameters = {name: value for name, value in unet.named_parameters() if value.requires_grad}
        self.optimizer = torch.optim.AdamW(self.parameters.values(), lr=rule.learning_rate)

    @torch.no_grad()
    def eps(
        self, xt: Float[Tensor, "views channels h w"], t: Int[Tensor, " views"], cond: Cond
    ) -> Float[Tensor, "views channels h w"]:
        """Return the predicted noise; ``cond.camera`` is needed."""
        return self.prior.schedule.eps(self._answer(xt, t, cond), xt, t)

    def loss(
        self,
        latents: Float[Tensor, "views channels h w"],
        cond: Cond,
        generator: torch.Generator,
        *,
        is_shared: bool = False,
    ) -> Float[Tensor, ""]:
        """Return E |eps_psi(x_t, t, camera) - noise|^2 on rendered latents (eq. 10), for ``step`` to descend.

        A v-model is compared in v, as it was trained.

        Args:
            latents: x_0 of the views.
            cond: with their cameras.
            generator: CPU generator of timesteps, noise and dropped cameras.
            is_shared: one timestep for all views.
        """
        views, schedule = len(latents), self.prior.schedule
        drawn = torch.randint(0, len(schedule.alphas_cumprod), (1 if is_shared else views,), generator=generator)
        t = uploaded(drawn.expand(views), latents.device)
        noise = uploaded(torch.randn(latents.shape, generator=generator), latents)
        is_kept = torch.rand(1 if is_shared else views, generator=generator) >= self.rule.camera_dropout
        if cond.camera is not None and self.prior.unet.config["class_embed_type"] is None:
            cond = replace(cond, camera=cond.camera * uploaded(is_kept.expand(views)[:, None], cond.camera))
        alpha_bar = schedule.alphas_cumprod[t][:, None, None, None]
        alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        latents = latents.detach()
        target = noise if schedule.prediction_type == "epsilon" else alpha * noise - sigma * latents
        answer = self._answer(alpha * latents + sigma * noise, t, cond)
        return nn.functional.mse_loss(answer, target)

    def descend(self, loss: Float[Tensor, ""]) -> None:
        """Find the gradient of a loss, which the caller has found finite; nothing is learned yet."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()

    def step(self) -> None:
        """Take the step of AdamW that ``descend`` has found."""
        self.optimizer.step()

    def ration(self, ration: Ration, image_size: int) -> None:
        """Compute with another ration, on images of another size, from now on; what was learned stays."""
        self.prior = replace(self.prior, spec=replace(self.prior.spec, image_size=image_size), ration=ration)

    def tensors(self) -> dict[str, Tensor]:
        """Return parameters and AdamW's moments by name."""
        state: dict[str, Tensor] = {f"parameters.{name}": value for name, value in self.parameters.items()}
        for name, value in self.parameters.items():
            for key, moment in self.optimizer.state.get(value, {}).items():
                state[f"adam.{key}.{name}"] = torch.as_tensor(moment)
        return state

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore what ``tensors`` returned."""
        for name, value in self.parameters.items():
            value.copy_(state[f"parameters.{name}"])
            moments = {
                key: state[f"adam.{key}.{name}"].clone()
                for key in ("step", "exp_avg", "exp_avg_sq")
                if f"adam.{key}.{name}" in state
            }
            if moments:
                kept = {key: moment if key == "step" else moment.to(value) for key, moment in moments.items()}
                self.optimizer.state[value] = kept

    def _answer(self, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
        """Return what the UNet predicts, as many samples at a time as there is memory for."""
        if cond.camera is None:
            raise ValueError(f"expected a camera for each of {len(xt)} samples of the trained copy, got none")
        size = whole_groups(self.prior.ration.views, self.prior.spec.views_per_group)
        return ask_in_parts(self._answer_part, xt, t, cond, size)

    def _answer_part(self, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
        """Return what the UNet predicts, with an IP-Adapter's gate closed and without control."""
        arguments: dict[str, Any] = {}
        if self.prior.image_encoder is not None:
            bare = replace(cond, image=None, image_scale=None)
            arguments = image_prompt_arguments(bare, xt, self.prior.image_encoder)
        return ask(self.prior.unet, xt, t, cond, self.prior.pixels_per_latent, **arguments)


def add_low_rank_layers(unet: UNet2DConditionModel, rank: int, generator: torch.Generator) -> None:
    """Replace every attention projection of the UNet, in place; nothing else is trained."""
    unet.requires_grad_(False)
    modules = dict(unet.named_modules())
    attentions = [name for name, module in modules.items() if isinstance(module, Attention)]
    for attention in attentions:
        for name in PROJECTIONS:
            layer = modules.get(f"{attention}.{name}")
            if not isinstance(layer, nn.Linear):
                continue
            owner, _, last = f"{attention}.{name}".rpartition(".")
            parent: Any = modules[owner]
            adapted = LowRankLinear(layer, rank, generator)
            if last.isdigit():
                parent[int(last)] = adapted
            else:
                setattr(parent, last, adapted)


def add_camera(unet: UNet2DConditionModel, generator: torch.Generator) -> None:
    """Let the UNet take a camera as ``class_labels``, in place; at first it changes nothing."""
    width = unet.time_embedding.linear_2.out_features
    embedding: Any = TimestepEmbedding(CAMERA_NUMBERS, width).to(unet.device, unet.dtype)
    with torch.no_grad():
        first = embedding.linear_1.weight
        first.copy_(torch.randn(first.shape, generator=generator) / CAMERA_NUMBERS**0.5)
        for parameter in (embedding.linear_1.bias, embedding.linear_2.weight, embedding.linear_2.bias):
            parameter.zero_()
    unet.class_embedding = embedding
