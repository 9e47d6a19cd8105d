# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny random models in the published files' own layout: folders, schedulers, and every weight's name."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    UNet2DConditionModel,
)
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    ViTConfig,
    ViTModel,
)

from limbeck.priors.locating import EMBEDDED
from limbeck.priors.pair_classifier import PairClassifier, PairSettings, save_pair_classifier
from real_configs import CLIP_BIGG, CLIP_H, CLIP_L, SCHEDULE, T5_XXL, TINY, TINY_T5, TINY_TEXT, TINY_VAE, UNETS, VAE
from tiny_models import write_image_encoder, write_t5

TOKENIZER = EMBEDDED / "text_to_image" / "tokenizer"
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""The names of an autoencoder's attention when Stable Diffusion 1 and 2 were published."""
LATENT_HOSTS = ("sd-1.5", "sd-2.1-base", "sd-2.1", "sdxl")
HOSTS = (*LATENT_HOSTS, "if")


def write_host(folder: Path, alias: str) -> Path:
    """Write a host and its companions, a subfolder per role, and a pair classifier with random weights."""
    torch.manual_seed(7)
    write_model(folder / "text_to_image", alias)
    write_mvdream(folder / "multi_view")
    write_zero123(folder / "novel_view")
    write_pair_classifier(folder / "pair_classifier")
    if alias == "sd-1.5":
        write_ip_adapter(folder / "image_prompt")
    if alias in ("sd-1.5", "sd-2.1-base", "sd-2.1"):
        write_controlnet(folder / "structure", alias)
    if alias.startswith("sd-"):  # one autoencoder for all of Stable Diffusion 1 and 2
        for role in ("multi_view", "novel_view"):
            shutil.copytree(folder / "text_to_image" / "vae", folder / role / "vae", dirs_exist_ok=True)
    return folder


def write_model(folder: Path, alias: str) -> Path:
    """Write a text-to-image host alone."""
    write_unet(folder, alias)
    if alias == "if":
        DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon"
        ).save_pretrained(folder / "scheduler")
        write_t5(folder)
        _renamed_t5(folder)
        return folder
    write_vae(folder, has_old_names=alias != "sdxl")
    SCHEDULERS[alias]().save_pretrained(folder / "scheduler")
    if alias == "sdxl":
        write_clip(folder, "text_encoder", 24, CLIP_L["num_hidden_layers"])
        write_clip(folder, "text_encoder_2", 40, CLIP_BIGG["num_hidden_layers"], hidden_act="gelu")
        write_tokenizer(folder / "tokenizer")
        write_tokenizer(folder / "tokenizer_2", pad_token="!")
    elif alias == "sd-1.5":
        write_clip(folder, "text_encoder", 24, CLIP_L["num_hidden_layers"])
        write_tokenizer(folder / "tokenizer")
    else:
        write_clip(folder, "text_encoder", 32, CLIP_H["num_hidden_layers"], hidden_act="gelu")
        write_tokenizer(folder / "tokenizer", pad_token="!")
    return folder


SCHEDULERS: Mapping[str, Callable[[], Any]] = {
    "sd-1.5": lambda: PNDMScheduler(**SCHEDULE, skip_prk_steps=True),
    "sd-2.1-base": lambda: PNDMScheduler(**SCHEDULE, skip_prk_steps=True),
    "sd-2.1": lambda: DDIMScheduler(**SCHEDULE, prediction_type="v_prediction", clip_sample=False),
    "sdxl": lambda: EulerDiscreteScheduler(**SCHEDULE, timestep_spacing="leading"),
}


def write_unet(folder: Path, alias: str) -> None:
    """Write the UNet; its last layer speaks up, so that answers differ by what it is told."""
    unet = UNet2DConditionModel(**{**UNETS[alias], **TINY[alias]})
    unet.save_pretrained(folder / "unet")


def write_vae(folder: Path, *, has_old_names: bool) -> None:
    AutoencoderKL(**{**VAE, **TINY_VAE}).save_pretrained(folder / "vae")
    if not has_old_names:
        return
    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    _rename(path, _old_attention_name)


def _old_attention_name(name: str) -> str:
    for new, old in OLD_ATTENTION.items():
        if ".attentions." in name and f".{new}." in name:
            return name.replace(f".{new}.", f".{old}.")
    return name


def write_clip(folder: Path, part: str, width: int, layers: int, **changes: Any) -> None:
    """Write a text encoder with the names of before transformers 5, which all published files have."""
    config = CLIPTextConfig(
        vocab_size=680,
        bos_token_id=678,
        eos_token_id=679,
        max_position_embeddings=77,
        num_hidden_layers=layers,
        **TINY_TEXT[width] | changes,
    )
    kind = CLIPTextModelWithProjection if part.endswith("_2") else CLIPTextModel
    kind(config).save_pretrained(folder / part)
    path = folder / part / "model.safetensors"
    _rename(path, _old_clip_name)
    tensors = load_file(path)
    save_file(tensors | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, path, {"format": "pt"})


def _old_clip_name(name: str) -> str:
    return name if name.startswith(("text_model.", "text_projection.")) else f"text_model.{name}"


def write_tokenizer(folder: Path, **changes: str) -> None:
    """Write CLIP's tokenizer with 77 tokens, as published: vocabulary, merges and a configuration."""
    shutil.copytree(TOKENIZER, folder)
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"model_max_length": 77} | changes
    path.write_text(json.dumps(config), encoding="utf-8")


def _renamed_t5(folder: Path) -> None:
    """Replace the encoder by one with the layers and the gated feed-forward of T5 1.1."""
    shutil.rmtree(folder / "text_encoder")
    config = T5Config(**{**T5_XXL, **TINY_T5}, feed_forward_proj="gated-gelu")
    T5EncoderModel(config).save_pretrained(folder / "text_encoder", max_shard_size="200KB")


def write_mvdream(folder: Path) -> None:
    """Write MVDream as its first source has it: diffusers' names, the camera's embedding in a folder of its own."""
    write_model(folder, "sd-2.1-base")
    shutil.rmtree(folder / "unet")
    write_unet(folder, "mvdream")
    (folder / "camera_proj").mkdir()
    width = 4 * TINY["mvdream"]["block_out_channels"][0]
    weights = {"0.weight": (width, 16), "0.bias": (width,), "2.weight": (width, width), "2.bias": (width,)}
    tensors = {name: 0.3 * torch.randn(*shape) for name, shape in weights.items()}
    save_file(tensors, folder / "camera_proj" / "diffusion_pytorch_model.safetensors")


def write_zero123(folder: Path) -> None:
    """Write Zero-1-to-3 XL as its first source has it."""
    write_unet(folder, "zero123-xl")
    write_vae(folder, has_old_names=True)
    DDIMScheduler(**SCHEDULE, clip_sample=False).save_pretrained(folder / "scheduler")
    write_image_encoder(folder / "image_encoder")
    (folder / "clip_camera_projection").mkdir()
    tensors = {"proj.weight": torch.randn(24, 24 + 4), "proj.bias": torch.randn(24)}
    save_file(tensors, folder / "clip_camera_projection" / "diffusion_pytorch_model.safetensors")


def write_ip_adapter(folder: Path, alias: str = "sd-1.5", name: str = "ip-adapter_sd15.safetensors") -> Path:
    """Write an IP-Adapter in h94's layout for a host's UNet."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**{**UNETS[alias], **TINY[alias]})
    width = TINY[alias]["cross_attention_dim"]
    tensors = {
        "image_proj.proj.weight": 0.2 * torch.randn(4 * width, 24),
        "image_proj.proj.bias": 0.2 * torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for index, processor in enumerate(names):
        attention: Any = unet.get_submodule(processor.removesuffix(".processor"))
        shape = (attention.to_k.out_features, width)
        tensors |= {f"ip_adapter.{2 * index + 1}.to_{kind}_ip.weight": 0.3 * torch.randn(*shape) for kind in "kv"}
    (folder / "models").mkdir(parents=True)
    save_file(tensors, folder / "models" / name)
    write_image_encoder(folder / "models" / "image_encoder")
    return folder


def write_controlnet(folder: Path, alias: str) -> None:
    """Write a ControlNet of a host, in the layout of the published ones: no subfolder."""
    unet = UNet2DConditionModel(**{**UNETS[alias], **TINY[alias]})
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
    for parameter in controlnet.parameters():  # zeros would hide that it is heard
        torch.nn.init.normal_(parameter, std=0.1)
    controlnet.save_pretrained(folder)


def write_pair_classifier(folder: Path) -> None:
    config = ViTConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16
    )
    save_pair_classifier(PairClassifier(ViTModel(config, add_pooling_layer=False), PairSettings(scales=(1.0,))), folder)


def _rename(path: Path, rule: Callable[[str], str]) -> None:
    tensors: dict[str, Tensor] = {rule(name): tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path, {"format": "pt"})
