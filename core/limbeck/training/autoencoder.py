# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An AutoencoderKL whose encoder is, from the start, a principal component analysis of 4 x 4 patches.

The latent space is thereby fixed before any training, so that the diffusion priors need not wait for the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float
from torch import Tensor, nn

PATCH = 4
LATENT_CHANNELS = 8
CHANNELS = (12, 16, 32)
"""Of the three resolutions: at least 12 (2 x 2 pixels of 3 colours) in the first two; the last holds pairs."""
GROUPS = 4
FLATTENING = 0.4
"""Power of a component's standard deviation that its latent keeps: 0 whitens, which would lift the noise of the
weakest components to the level of the strongest; 1 keeps the pixels' own proportions."""
NORM_CONSTANT = 64.0
"""Written into two channels of every group before the last norm, whose scale the latents then hardly change: by
sum(latents of the group ^ 2) / (2 * 64^2), some 0.1 %. Larger ones cost float precision."""
LOGVAR = -12.0
"""The posterior's log-variance: the encoder is deterministic to within 0.25 %."""


def fit_patch_pca(images: Float[Tensor, "n 3 H W"]) -> dict[str, Tensor]:
    """Return the principal components of 4 x 4 patches of sRGB images in 0 to 1, as ``PatchAutoencoder`` takes them.

    Latents have unit root mean square over all channels, the first channel the largest.
    """
    patches = nn.functional.unfold(images * 2 - 1, PATCH, stride=PATCH).transpose(1, 2).reshape(-1, 3 * PATCH**2)
    patches = patches.double()
    mean = patches.mean(0)
    centred = patches - mean
    variances, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    stds = variances.flip(0)[:LATENT_CHANNELS].clamp_min(1e-12).sqrt()
    vectors = vectors.flip(1)[:, :LATENT_CHANNELS]
    vectors = vectors * vectors.sum(0).sign()  # a sign that does not depend on the solver
    targets = stds**FLATTENING
    gain = targets / targets.square().mean().sqrt() / stds
    encoder = (vectors * gain).T
    shape = (LATENT_CHANNELS, 3, PATCH, PATCH)
    return {
        "encoder.weight": encoder.reshape(shape).float(),
        "encoder.bias": -(encoder @ mean).float(),
        "decoder.weight": (vectors / gain).T.reshape(shape).float(),
        "mean": mean.reshape(shape[1:]).float(),
    }


def build_autoencoder(pca: Mapping[str, Tensor]) -> AutoencoderKL:
    """Return an autoencoder that encodes as the PCA does (to about 0.1 %), with a decoder yet to be trained.

    diffusers' encoder can do this exactly but for the last norm: strided convolutions move space to channels,
    residual branches add nothing, and since silu(a) - silu(-a) = a, pairs of channels pass the last nonlinearity.
    Initial decoder weights come from torch's global generator.
    """
    make: Any = AutoencoderKL  # its annotations say tuples of one
    vae = make(
        block_out_channels=CHANNELS,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=GROUPS,
        sample_size=64,
        scaling_factor=1.0,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        mid_block_add_attention=False,
    )
    encoder = vae.encoder
    with torch.no_grad():
        _silence_residuals(encoder)
        _fold_patches(encoder, pca)
        _pass_through_norm(encoder)
        for conv, channels in ((vae.quant_conv, 2 * LATENT_CHANNELS), (vae.post_quant_conv, LATENT_CHANNELS)):
            _clear(conv)
            conv.weight[:, :, 0, 0] = torch.eye(channels)
    return vae


def _silence_residuals(encoder: nn.Module) -> None:
    for block in encoder.modules():
        if isinstance(block, ResnetBlock2D):
            _clear(block.conv2)
            if block.conv_shortcut is not None:
                _clear(block.conv_shortcut)


def _fold_patches(encoder: Any, pca: Mapping[str, Tensor]) -> None:
    """Gather 2 x 2 pixels, then 2 x 2 of those, in the two strided convolutions; the second applies the PCA."""
    first, second, _ = encoder.down_blocks
    _clear(encoder.conv_in)
    encoder.conv_in.weight[:3, :, 1, 1] = torch.eye(3)
    gather, project = first.downsamplers[0].conv, second.downsamplers[0].conv
    _clear(gather)
    _clear(project)
    for row in range(2):
        for column in range(2):
            block = slice(3 * (2 * row + column), 3 * (2 * row + column) + 3)
            # diffusers pads at the right and the bottom, so that tap (0, 0) sees pixel (2 i, 2 j).
            gather.weight[block, :3, row, column] = torch.eye(3)
            project.weight[:LATENT_CHANNELS, block, :2, :2] = pca["encoder.weight"][:, :, row::2, column::2]
    project.bias[:LATENT_CHANNELS] = pca["encoder.bias"]
    if second.resnets[0].conv_shortcut is not None:
        second.resnets[0].conv_shortcut.weight[:12, :12, 0, 0] = torch.eye(12)


def _pass_through_norm(encoder: Any) -> None:
    """Widen the latents to pairs (a, -a) beside large constants, and read them back after the last norm and SiLU."""
    widen, out = encoder.down_blocks[2].resnets[0].conv_shortcut, encoder.conv_out
    size = CHANNELS[2] // GROUPS
    per_group = LATENT_CHANNELS // GROUPS
    _clear(out)
    for group in range(GROUPS):
        start = group * size
        widen.bias[start], widen.bias[start + 1] = NORM_CONSTANT, -NORM_CONSTANT
        for i in range(per_group):
            latent, positive = group * per_group + i, start + 2 + 2 * i
            widen.weight[positive, latent], widen.weight[positive + 1, latent] = 1.0, -1.0
            out.weight[latent, positive, 1, 1], out.weight[latent, positive + 1, 1, 1] = 1.0, -1.0
    out.bias[LATENT_CHANNELS:] = LOGVAR
    # The mean latent energy of a group (unit mean square, two channels per latent) is part of the norm's variance.
    encoder.conv_norm_out.weight.fill_(math.sqrt((2 * NORM_CONSTANT**2 + 2 * per_group) / size))
    encoder.conv_norm_out.bias.zero_()


def _clear(conv: nn.Module) -> None:
    for parameter in conv.parameters():
        parameter.zero_()
