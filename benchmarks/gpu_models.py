# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Random weights in the published layouts, for `benchmarks/gpu.py`: real or tiny configurations, nothing downloaded.

UNets and VAE are whole. Text and image encoders have one layer and answer in the real width: no step calls them, as
prompts and pictures are encoded once, before the first.
"""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

UNET_FILE, IP_ADAPTER_FILE = "diffusion_pytorch_model.safetensors", "ip-adapter_sd15.safetensors"
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Family:
    """Configurations of the models that recipes of one kind need; diffusers' names.

    Attributes:
        text_to_image, multi_view: of the UNets; None for no such model.
        vae: of the autoencoder that both have.
        text_width: of the text encoder, which is the UNets' ``cross_attention_dim``.
        tokens: of a prompt.
        image_width: of the image prompt's encoder; 0 without IP-Adapter.
    """

    text_to_image: Config
    vae: Config
    text_width: int
    tokens: int = 77
    multi_view: Config | None = None
    image_width: int = 0


SD_UNET: Config = {"sample_size": 64, "block_out_channels": (320, 640, 1280, 1280), "layers_per_block": 2}
SD_15: Config = {**SD_UNET, "cross_attention_dim": 768, "attention_head_dim": 8}
SD_21: Config = {
    **SD_UNET,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
CAMERA: Config = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
MVDREAM: Config = {**SD_21, **CAMERA, "sample_size": 32}
SD_VAE: Config = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": 512,
}
REAL: Mapping[str, Family] = {
    "sd-2.1-base + MVDream": Family(SD_21, SD_VAE, 1024, multi_view=MVDREAM),
    "sd-1.5 + IP-Adapter + MVDream": Family(SD_15, SD_VAE, 768, multi_view=MVDREAM, image_width=1024),
}
TINY_UNET: Config = {
    "sample_size": 8,
    "block_out_channels": (8, 16),
    "layers_per_block": 1,
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "norm_num_groups": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
}
TINY_VAE: Config = {**SD_VAE, "block_out_channels": (4, 4, 8, 8), "norm_num_groups": 4, "sample_size": 64}
TINY_MULTI_VIEW: Config = {**TINY_UNET, **CAMERA, "sample_size": 4}
TINY: Mapping[str, Family] = {
    "sd-2.1-base + MVDream": Family(TINY_UNET, TINY_VAE, 32, 16, TINY_MULTI_VIEW),
    "sd-1.5 + IP-Adapter + MVDream": Family(TINY_UNET, TINY_VAE, 32, 16, TINY_MULTI_VIEW, image_width=24),
}


def write_family(family: Family, folder: Path, dtype: torch.dtype) -> Path:
    """Write a folder with a subfolder per role, as `--prior FOLDER` reads it, and return it."""
    generator = torch.Generator().manual_seed(0)
    base = folder / "text_to_image"
    unet = _write_unet(family.text_to_image, base / "unet", dtype, generator)
    _write_vae(family.vae, base / "vae", dtype, generator)
    _write_small_parts(base, family.text_width, family.tokens)
    if family.image_width:
        _write_ip_adapter(unet, folder / "image_prompt" / "models", family, dtype, generator)
    if family.multi_view is not None:
        other = folder / "multi_view"
        _write_unet(family.multi_view, other / "unet", dtype, generator)
        shutil.copytree(base / "vae", other / "vae", copy_function=_link)
        _write_small_parts(other, int(family.multi_view["cross_attention_dim"]), family.tokens)
    return folder


def _link(source: str, target: str) -> None:
    """Share a file where the disk can, so that 160 MB are written once."""
    try:
        Path(target).hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _write_unet(config: Config, folder: Path, dtype: torch.dtype, generator: torch.Generator) -> nn.Module:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel  # noqa: PLC0415 - diffusers is slow

    return _write_module(lambda: UNet2DConditionModel(**config), folder, dtype, generator)


def _write_vae(config: Config, folder: Path, dtype: torch.dtype, generator: torch.Generator) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL  # noqa: PLC0415

    _write_module(lambda: AutoencoderKL(**config), folder, dtype, generator)


def _write_module(make: Callable[[], Any], folder: Path, dtype: torch.dtype, generator: torch.Generator) -> nn.Module:
    """Write a model that is never built in memory: its shapes are, on the meta device."""
    with torch.device("meta"):
        module = make()
    folder.mkdir(parents=True)
    module.save_config(folder)
    weights = {name: random_weight(name, value, dtype, generator) for name, value in module.state_dict().items()}
    save_file(weights, folder / UNET_FILE, metadata={"format": "pt"})
    return module


def random_weight(name: str, like: Tensor, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return a bias of 0, a norm's weight of 1, and other weights so that what goes in of size one comes out so."""
    if like.ndim < 2:
        return torch.full(like.shape, 1.0 if name.endswith("weight") else 0.0, dtype=dtype)
    bound = (3.0 / (like.numel() // len(like))) ** 0.5
    return torch.empty(like.shape, dtype=dtype).uniform_(-bound, bound, generator=generator)


def _write_small_parts(folder: Path, width: int, tokens: int) -> None:
    """Write scheduler, tokenizer and text encoder: the embedded tokenizer, and one layer of the real width."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler  # noqa: PLC0415
    from transformers import CLIPTextConfig, CLIPTextModel  # noqa: PLC0415

    from limbeck.priors.locating import EMBEDDED  # noqa: PLC0415

    shutil.copytree(EMBEDDED / "text_to_image" / "tokenizer", folder / "tokenizer")
    config = CLIPTextConfig.from_pretrained(EMBEDDED / "text_to_image" / "text_encoder")
    config.update(
        {
            "hidden_size": width,
            "intermediate_size": 2 * width,
            "num_hidden_layers": 1,
            "max_position_embeddings": tokens,
            "num_attention_heads": width // 16,
        }
    )
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")


def _write_ip_adapter(unet: Any, folder: Path, family: Family, dtype: torch.dtype, generator: torch.Generator) -> None:
    """Write h94/IP-Adapter's layout: four image tokens, and keys and values for every cross-attention."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection  # noqa: PLC0415

    from limbeck.priors.ip_adapter import TOKENS, adapted_processors, attention_shape  # noqa: PLC0415

    shapes = {
        "image_proj.proj.weight": (TOKENS * family.text_width, family.image_width),
        "image_proj.proj.bias": (TOKENS * family.text_width,),
        "image_proj.norm.weight": (family.text_width,),
        "image_proj.norm.bias": (family.text_width,),
    }
    for index, name in adapted_processors(unet).items():
        shapes |= {f"ip_adapter.{index}.to_{kind}_ip.weight": attention_shape(unet, name) for kind in "kv"}
    folder.mkdir(parents=True)
    with torch.device("meta"):
        likes = {name: torch.empty(shape) for name, shape in shapes.items()}
    save_file(
        {name: random_weight(name, like, dtype, generator) for name, like in likes.items()}, folder / IP_ADAPTER_FILE
    )
    hidden = 16 * max(1, family.image_width // 16)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=hidden,
            intermediate_size=2 * hidden,
            num_hidden_layers=1,
            num_attention_heads=hidden // 16,
            image_size=56,
            patch_size=14,
            projection_dim=family.image_width,
        )
    ).save_pretrained(folder / "image_encoder")
