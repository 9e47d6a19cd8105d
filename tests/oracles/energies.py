# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What energies are asked with: priors in closed form, random renders, predicted clean latents."""

from dataclasses import dataclass, field

import torch
from transformers import ViTConfig, ViTModel

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import condition
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import Critics, Denoised, latent_opacity
from limbeck.distillation.noise import add_noise
from limbeck.priors.pair_classifier import PairClassifier, PairSettings
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.priors.prior import Cond, PriorSpec
from limbeck.representations.representation import Rendering
from oracles.analytic_prior import AnalyticPrior

BASE = AnalyticPrior(means={"": 0.0, "a": 0.5}, spec=PriorSpec("base", image_size=8))
MULTI = AnalyticPrior(means={"": 0.0, "a": 0.7}, spec=PriorSpec("multi", image_size=4, views_per_group=4))


@dataclass(frozen=True)
class NovelViews(AnalyticPrior):
    """Takes for the mean of every view what the source shows; counts what it is asked."""

    asked: list = field(default_factory=list)

    def condition(self, rgb, reference, target):
        self.asked.append((rgb, reference, target))
        return Cond(rgb.mean((1, 2, 3))[:, None, None], reference=rgb)

    def unconditional(self, cond):
        return Cond(torch.zeros_like(cond.text), reference=torch.zeros_like(cond.reference))


NOVEL = NovelViews(spec=PriorSpec("novel", image_size=4))


class Patched(AnalyticPrior):
    """Its latents are patches of 2 x 2 pixels; like DiffusionPrior it decodes without gradients."""

    @property
    def autoencoder(self):
        generator = torch.Generator().manual_seed(1)
        shape = {"encoder.weight": (4, 3, 2, 2), "encoder.bias": (4,), "decoder.weight": (4, 3, 2, 2)}
        weights = {name: 0.1 * torch.randn(size, generator=generator).double() for name, size in shape.items()}
        return PatchAutoencoder(weights | {"mean": torch.zeros(3, 2, 2).double()})

    @torch.no_grad()
    def decode(self, latents):
        return self.autoencoder.decode(latents)


def tiny_classifier():
    torch.manual_seed(0)
    vit = ViTModel(
        ViTConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=16,
            patch_size=8,
            initializer_range=0.5,
        ),
        add_pooling_layer=False,
    )
    return PairClassifier(vit, PairSettings(image_size=16, scales=(1.0, 0.5))).double().requires_grad_(False)


def random_context(views=4, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rgb, alpha, depth = (torch.rand(views, c, size, size, generator=generator) for c in (3, 1, 1))
    seen = torch.ones(views, 5, dtype=torch.bool)
    rendering = Rendering(rgb, alpha, depth, torch.zeros(views, 5, 2), seen)
    cameras = ring_cameras(views, elevation_deg=10, fov_y_deg=45, distance=3, size=size)
    return StepContext(0.5, cameras, rendering, generator)


def random_denoised(context, *, t=400, channels=3, prior=BASE, dtype=torch.float32):
    rgb = context.rendering.rgb
    views, _, h, w = rgb.shape
    generator = torch.Generator().manual_seed(5)
    latents, noise = (torch.randn(views, channels, h, w, generator=generator).to(dtype) for _ in range(2))
    noised = add_noise(latents, noise, torch.full((views,), t), prior.alphas_cumprod.to(dtype))
    uncond = prior.eps(noised.xt, noised.t, Cond(torch.zeros(views, 1, 1))).to(dtype)
    return Denoised(prior, noised, uncond, latent_opacity(context.rendering.alpha, h, w).to(dtype))


def all_critics(**others):
    return Critics(multi_view=condition(MULTI, "a", ""), novel_view=NOVEL, **others)


def masked_x0(denoised, xt, mask):
    masked = xt * denoised.opacity if mask == "latents" else xt
    return (masked - denoised.noised.sigma * denoised.noise_pred_uncond) / denoised.noised.alpha
