# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the autoencoder's decoder; its encoder, and so the latent space, stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float
from torch import Tensor, nn

from limbeck.playset.pool import Pool, build_pool
from limbeck.priors.autoencoders import Autoencoder, load_autoencoder
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.training.autoencoder import build_autoencoder
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import cast_to_half, open_pool
from limbeck.training.latents import PCA_FILE, fit_pca, load_pca, save_pca
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.starting import weights_digest
from limbeck.training.trainer import TrainingSettings, train

STEPS, BATCH, THINGS = 3000, 8, 8000
LATENT_NOISE = 0.05
"""Standard deviation added to the latents in training: those of a diffusion sample are never exact."""
TEST_GROUPS, TEST_SEED = 128, 3_000_001


@dataclass(frozen=True)
class DecoderLearner:
    """Reconstructs pictures of the pool from their latents.

    Attributes:
        pca: the linear autoencoder that the encoder equals; it is cheaper.
    """

    vae: Any
    pca: PatchAutoencoder
    pool: Pool
    settings: TrainingSettings

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """The decoder alone."""
        return {"decoder": self.vae.decoder}

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return L1 + MSE of one batch, on pictures in -1 to 1."""
        generator, device = np.random.default_rng((self.settings.seed, 3, step)), self.settings.device
        rgb = draw_images(self.pool, self.settings.batch, generator).to(device)
        latents = self.pca.encode(rgb)
        noise = torch.from_numpy(generator.standard_normal(latents.shape, np.float32)).to(device)
        decoded: Tensor = self.vae.decode(latents + LATENT_NOISE * noise, return_dict=False)[0]
        error = decoded - (rgb * 2 - 1)
        mse = error.square().mean()
        return error.abs().mean() + mse, {"mse": float(mse.detach())}

    def export(self, folder: Path) -> None:
        """Write the autoencoder in diffusers' layout."""
        self.vae.save_pretrained(folder / "vae")


def draw_images(pool: Pool, count: int, generator: np.random.Generator) -> Float[Tensor, "count 3 H W"]:
    """Draw pictures of a pool, each over a background of its own; sRGB in 0 to 1."""
    groups = generator.integers(0, len(pool), count)
    views = generator.integers(0, pool.rgba.shape[1], count)
    return torch.from_numpy(pool.images(groups, views, generator))


@torch.no_grad()
def reconstruction_psnr(autoencoder: Autoencoder, rgb: Float[Tensor, "n 3 H W"]) -> float:
    """Return the peak signal-to-noise ratio in dB, by the mean squared error, of encoded and decoded pictures."""
    errors = [(autoencoder.decode(autoencoder.encode(part)) - part).square().mean((1, 2, 3)) for part in rgb.split(32)]
    return float(-10 * torch.cat(errors).clamp_min(1e-12).mean().log10())


def build_trainable(pca: Mapping[str, Tensor], seed: int) -> Any:
    """Return the autoencoder with only its decoder to train, whose residual branches add nothing at first."""
    with first_weights(seed):
        vae: Any = build_autoencoder(pca)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    for block in vae.decoder.modules():
        if isinstance(block, ResnetBlock2D):
            nn.init.zeros_(block.conv2.weight)
    return vae


def run(options: TrainingOptions) -> None:
    """Train the decoder of ``options.start``'s latent space, or of a new one, and write ``vae/`` and a card."""
    require_writable_folder(options.out)
    given = None if options.start is None else load_pca(options.start)
    start = {} if options.start is None else {"latents": weights_digest(options.start / "vae" / PCA_FILE)}
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=3e-3,
        seed=options.seed,
        ema_decay=0.995,
        warmup_steps=50,
        device=options.device,
        facts={"things": options.things or THINGS, **start},
    )
    pool = open_pool(options, THINGS)
    pca = given or fit_pca(pool, options.seed)
    linear = PatchAutoencoder({name: tensor.to(options.device) for name, tensor in pca.items()})
    vae = build_trainable(pca, options.seed).to(options.device)
    report = train(DecoderLearner(vae, linear, pool, settings), settings, options.out)
    save_pca(pca, options.out / "vae")
    cast_to_half(options.out)
    write_card(
        options.out, "autoencoder", report, {"toys": len(pool), "seed": options.seed, **_measure(options, linear)}
    )


def _measure(options: TrainingOptions, linear: PatchAutoencoder) -> dict[str, float]:
    """Return how well toys of another seed are reconstructed."""
    test = build_pool(TEST_GROUPS, TEST_SEED, cache=options.cache)
    rgb = draw_images(test, 4 * TEST_GROUPS, np.random.default_rng(TEST_SEED)).to(options.device)
    trained, _ = load_autoencoder(options.out / "vae", options.device)
    return {
        "test_images": len(rgb),
        "psnr_db": round(reconstruction_psnr(trained, rgb), 2),
        "psnr_db_of_linear_decoding": round(reconstruction_psnr(linear, rgb), 2),
    }
