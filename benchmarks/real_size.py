# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Stable Diffusion 2.1-base in its published layout and size, with random weights: for measurements without weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

VOCABULARY = 49_408


def write_stable_diffusion_2(folder: Path) -> None:
    """Write UNet (866 M parameters), autoencoder (84 M), text encoder (340 M), tokenizer and scheduler, in float16."""
    saved: dict[str, Any] = {"safe_serialization": True, "variant": "fp16"}
    heads, width = [5, 10, 20, 20], 1024
    unet = random_module(
        lambda: UNet2DConditionModel(
            sample_size=64, cross_attention_dim=width, attention_head_dim=heads, use_linear_projection=True
        )
    )
    unet.save_pretrained(folder / "unet", **saved)
    vae = random_module(
        lambda: AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            sample_size=512,
        )
    )
    vae.save_pretrained(folder / "vae", **saved)
    text = CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16
    )
    random_module(lambda: CLIPTextModel(text)).save_pretrained(folder / "text_encoder", **saved)
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")
    write_tokenizer(folder / "tokenizer")


def random_module(make: Callable[[], Any]) -> Any:
    """Return a module in float16 whose layers keep the size of what passes them; norms begin as they should."""
    with torch.device("meta"):
        module = make()
    module = module.half().to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    norms = [part for part in module.modules() if isinstance(part, (nn.GroupNorm, nn.LayerNorm))]
    for parameter in module.parameters():
        drawn = torch.randn(parameter.shape, generator=generator) / max(1, parameter[0].numel()) ** 0.5
        parameter.data.copy_(drawn if parameter.dim() > 1 else torch.zeros(parameter.shape))
    for norm in norms:
        norm.weight.data.fill_(1.0)
    for buffer in module.buffers():
        buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
    return module


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of CLIP's size whose merges are any two letters."""
    letters = list(bytes_to_unicode().values())
    ends = [f"{letter}</w>" for letter in letters]
    merges = [(first, last) for first in letters for last in ends][: VOCABULARY - 2 - 2 * len(letters)]
    words = [*letters, *ends, *(first + last for first, last in merges), "<|startoftext|>", "<|endoftext|>"]
    CLIPTokenizer(vocab={word: index for index, word in enumerate(words)}, merges=merges).save_pretrained(folder)
