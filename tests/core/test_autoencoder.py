# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The autoencoder's encoder is its patch PCA, forward and backward; its decoder learns."""

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from limbeck.playset.pool import build_pool
from limbeck.priors.autoencoders import KLAutoencoder, load_autoencoder
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.training.autoencoder import LATENT_CHANNELS, build_autoencoder, fit_patch_pca
from limbeck.training.decoder import DecoderLearner, build_trainable, draw_images, reconstruction_psnr
from limbeck.training.trainer import TrainingSettings, train


@pytest.fixture(scope="module")
def pool():
    return build_pool(6, 5)


@pytest.fixture(scope="module")
def images(pool):
    return draw_images(pool, 24, np.random.default_rng(0))


@pytest.fixture(scope="module")
def pca(images):
    return fit_patch_pca(images)


def relative(value, expected):
    return float(((value - expected).norm() / expected.norm()).detach())


def test_latents_have_unit_mean_square_and_no_mean(pca, images):
    latents = PatchAutoencoder(pca).encode(images)
    assert latents.shape == (24, LATENT_CHANNELS, 16, 16)
    assert latents.square().mean().item() == pytest.approx(1, abs=1e-3)
    assert latents.mean((0, 2, 3)).abs().max() < 1e-3


def test_latent_channels_are_uncorrelated_the_first_the_largest(pca, images):
    latents = PatchAutoencoder(pca).encode(images).transpose(0, 1).flatten(1)
    covariance = torch.cov(latents)
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3
    assert covariance.diag().argmax() == 0


def test_no_other_linear_code_of_eight_numbers_keeps_more(pca, images):
    patches = torch.nn.functional.unfold(images * 2 - 1, 4, stride=4).transpose(1, 2).flatten(0, 1).double()
    weakest = torch.linalg.svdvals(patches - patches.mean(0))[LATENT_CHANNELS:]
    # No clamping to 0..1 here, which only helps.
    linear = PatchAutoencoder(pca)
    errors = linear.decode(linear.encode(images)) - images
    assert (4 * errors.square().sum()).item() <= weakest.square().sum().item() * 1.001


def test_the_encoder_equals_the_pca_forward_and_backward(pca, images):
    results = []
    for autoencoder in (PatchAutoencoder(pca), KLAutoencoder(build_autoencoder(pca).eval())):
        rgb = images[:4].clone().requires_grad_()
        latents = autoencoder.encode(rgb)
        upstream = torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
        results.append((latents.detach(), torch.autograd.grad(latents, rgb, upstream)[0]))
    (latents, gradient), (vae_latents, vae_gradient) = results
    # The latents' share of the last norm's variance is some 0.1 % (NORM_CONSTANT).
    assert relative(vae_latents, latents) < 2e-3
    assert relative(vae_gradient, gradient) < 2e-3


def test_the_encoder_survives_half_precision_storage(pca, images):
    vae = build_autoencoder(pca).half().float().eval()
    assert relative(KLAutoencoder(vae).encode(images[:4]), PatchAutoencoder(pca).encode(images[:4])) < 5e-3


def test_the_posterior_is_almost_deterministic(pca, images):
    posterior = build_autoencoder(pca).eval().encode(images[:1] * 2 - 1).latent_dist
    assert posterior.std.max() < 0.01


def test_only_the_decoder_learns_and_it_loads_as_any_autoencoder(pca, pool, images, tmp_path):
    settings = TrainingSettings(steps=12, batch=2, learning_rate=3e-3, warmup_steps=2, ema_decay=0.5)
    vae = build_trainable(pca, 0)
    encoder = {name: value.clone() for name, value in vae.encoder.state_dict().items()}
    before = reconstruction_psnr(KLAutoencoder(vae.eval()), images[:4])
    learner = DecoderLearner(vae, PatchAutoencoder(pca), pool, settings)
    train(learner, settings, tmp_path)
    assert all(torch.equal(value, encoder[name]) for name, value in vae.encoder.state_dict().items())
    loaded, pixels_per_latent = load_autoencoder(tmp_path / "vae", torch.device("cpu"))
    assert pixels_per_latent == 4
    assert loaded.scaling_factor == 1.0
    assert reconstruction_psnr(loaded, images[:4]) > before
    assert isinstance(AutoencoderKL.from_pretrained(tmp_path / "vae"), AutoencoderKL)


def test_a_learners_batch_depends_on_the_step_alone(pca, pool):
    settings = TrainingSettings(steps=2, batch=2, learning_rate=1e-3)
    learner = DecoderLearner(build_trainable(pca, 0).eval(), PatchAutoencoder(pca), pool, settings)
    first, _ = learner.loss(0)
    other, _ = learner.loss(1)
    again, _ = learner.loss(0)
    assert first.item() == again.item() != other.item()
