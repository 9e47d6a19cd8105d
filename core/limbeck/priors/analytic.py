# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A prior in closed form: its data are a mixture of Gaussians, so its eps is exact at every timestep.

x_0 ~ sum_k w_k N(mean_k, spread^2 I)     =>     x_t ~ sum_k w_k N(alpha mean_k, v I),  v = alpha^2 spread^2 + sigma^2
eps(x_t) = -sigma grad log p_t(x_t) = sigma (x_t - alpha sum_k r_k mean_k) / v,  r_k = P(component k | x_t)

For explanations and for tests of identities that no trained model could pass exactly. Its latents are the images
themselves; a condition is a set of log weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.priors.prior import Cond, PriorSpec

LEAST = -60.0
"""Log weight of a component that a condition rules out; finite, so that conditions can be mixed."""


def standard_alphas_cumprod(steps: int = 1000) -> Float[Tensor, " timesteps"]:
    """Return Stable Diffusion's noise schedule, betas from 0.00085 to 0.012 evenly in their square roots."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, steps, dtype=torch.float64) ** 2
    return (1 - betas).cumprod(0)


@dataclass(frozen=True)
class MixturePrior:
    """Implements ``TextPrior``, and the image prompts of ``DiffusionPrior``.

    Attributes:
        means: of the components; a single row or column stands for all.
        names: the words of each component. A prompt picks the components that share most words with it, all of them
            if none shares any.
        spread: standard deviation within a component.
        spec: what it claims to be.
        alphas_cumprod: by timestep.
    """

    means: Float[Tensor, "components channels rows columns"]
    names: tuple[str, ...]
    spread: float = 0.5
    spec: PriorSpec = PriorSpec(name="mixture of Gaussians", image_size=4)
    alphas_cumprod: Float[Tensor, " timesteps"] = standard_alphas_cumprod().float()

    def __post_init__(self) -> None:
        """Refuse components without a name."""
        if len(self.names) != len(self.means) or not self.names:
            raise ValueError(f"expected a name for each of {len(self.means)} components, got {len(self.names)}")

    def encode(self, rgb: Float[Tensor, "views 3 H W"]) -> Float[Tensor, "views channels h w"]:
        """Return the images: there is no autoencoder."""
        return rgb

    def decode(self, latents: Float[Tensor, "views channels h w"]) -> Float[Tensor, "views 3 H W"]:
        """Return the latents, in the graph."""
        return latents

    def fit_prompt(self, prompt: str, suffix: str) -> str:
        """Return the prompt: any length fits."""
        return prompt

    def encode_text(self, prompts: Sequence[str]) -> Float[Tensor, "prompts 1 components"]:
        """Return the log weights that prompts stand for."""
        return torch.stack([self._log_weights(prompt) for prompt in prompts])[:, None].to(self.means)

    def encode_image(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images components"]:
        """Return each component's log probability given an image; an image prompt adds it to the text's."""
        apart = (self.encode(rgb)[:, None] - self.means).square().flatten(2).sum(-1)
        return torch.log_softmax(-apart / (2 * self.spread**2), -1).clamp_min(LEAST)

    def eps(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the exact noise prediction."""
        alpha, sigma, variance = self._at(t, xt)
        weights = torch.softmax(self._log_joint(xt, t, cond), -1)
        mean = (weights[..., None, None, None] * self.means.to(xt)).sum(1)
        return sigma * (xt - alpha * mean) / variance

    def log_density(
        self, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
    ) -> Float[Tensor, " batch"]:
        """Return log p_t(x_t), whose gradient is -eps / sigma_t."""
        _, _, variance = self._at(t, xt)
        normaliser = 0.5 * xt[0].numel() * torch.log(2 * math.pi * variance.flatten())
        return torch.logsumexp(self._log_joint(xt, t, cond), -1) - normaliser

    def _log_joint(self, xt: Tensor, t: Tensor, cond: Cond) -> Float[Tensor, "batch components"]:
        """Return log weight + log likelihood of each component, without the likelihood's constant."""
        alpha, _, variance = self._at(t, xt)
        prior = cond.text[:, 0].to(xt)
        if cond.image is not None:
            image = cond.image.to(xt).sum(1)
            prior = prior + (image if cond.image_scale is None else cond.image_scale[:, None].to(xt) * image)
        apart = (xt[:, None] - alpha[:, None] * self.means.to(xt)).square().flatten(2).sum(-1)
        return torch.log_softmax(prior, -1) - apart / (2 * variance.flatten(1))

    def _at(self, t: Tensor, xt: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return alpha, sigma and the variance of x_t within a component, shaped to multiply latents."""
        alpha_bar = self.alphas_cumprod[t].to(xt)[:, None, None, None]
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt(), alpha_bar * self.spread**2 + 1 - alpha_bar

    def _log_weights(self, prompt: str) -> Tensor:
        words = set(prompt.replace(",", " ").lower().split())
        shared = torch.tensor([len(words & set(name.lower().split())) for name in self.names])
        is_picked = shared == shared.max()
        return torch.log(is_picked / is_picked.sum()).clamp_min(LEAST)
