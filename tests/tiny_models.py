# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Random models of a few thousand weights in the exact layouts that are published, written to disk."""

import shutil
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    DDPMScheduler,
    HeunDiscreteScheduler,
    PriorTransformer,
    UNet2DConditionModel,
)
from diffusers.pipelines.shap_e.renderer import ShapERenderer
from safetensors.torch import save_file
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from limbeck.priors.locating import EMBEDDED

CPU = torch.device("cpu")
WIDTH = 96
"""Of the embedded text encoder, which the tiny models share."""


def write_unet(folder: Path, **changes) -> None:
    config = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
        "cross_attention_dim": WIDTH,
        "attention_head_dim": 4,
        "norm_num_groups": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "addition_embed_type": "text",
        "addition_embed_type_num_heads": 4,
        "resnet_time_scale_shift": "scale_shift",
    }
    UNet2DConditionModel(**(config | changes)).save_pretrained(folder / "unet")


def write_vae_and_scheduler(folder: Path) -> None:
    AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    ).save_pretrained(folder / "scheduler")


def write_text_to_image(folder: Path, **changes) -> Path:
    """Stable Diffusion's layout; latents 8 x 8 x 4 of 64 pixels."""
    torch.manual_seed(0)
    write_unet(folder, **changes)
    write_vae_and_scheduler(folder)
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(EMBEDDED / "text_to_image" / part, folder / part)
    return folder


def write_taesd(folder: Path, **changes) -> Path:
    """madebyollin/taesd's layout with a few channels; latents of 8 pixels a side, scaled already."""
    torch.manual_seed(6)
    config = {"encoder_block_out_channels": (8,) * 4, "decoder_block_out_channels": (8,) * 4}
    AutoencoderTiny(**(config | changes)).save_pretrained(folder)
    return folder


def write_image_encoder(folder: Path, *, projection: int = 24, layers: int = 1) -> None:
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=layers,
            num_attention_heads=2,
            image_size=32,
            patch_size=8,
            projection_dim=projection,
        )
    ).save_pretrained(folder)


def write_ip_adapter(folder: Path, name: str = "ip-adapter.safetensors", *, width: int = WIDTH) -> Path:
    """h94/IP-Adapter's layout, for the tiny UNet's four cross-attentions of 16 channels."""
    torch.manual_seed(1)
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, 24) * 0.2,
        "image_proj.proj.bias": torch.randn(4 * width) * 0.2,
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    for index in (1, 3, 5, 7):
        for kind in "kv":
            tensors[f"ip_adapter.{index}.to_{kind}_ip.weight"] = torch.randn(16, width) * 0.3
    (folder / "models").mkdir(parents=True)
    save_file(tensors, folder / "models" / name)
    write_image_encoder(folder / "models" / "image_encoder")
    return folder


def write_ip_adapter_plus(folder: Path, name: str = "ip-adapter-plus_sd15.safetensors", *, width: int = WIDTH) -> Path:
    """h94/IP-Adapter's layout of IP-Adapter Plus: a perceiver with two heads that makes sixteen tokens."""
    torch.manual_seed(5)
    shapes = {"latents": (1, 16, 128), "proj_in": (128, 16), "proj_out": (width, 128), "norm_out": (width,)}
    parts = {"0.norm1": (128,), "0.norm2": (128,), "0.to_q": (128, 128), "0.to_kv": (256, 128), "0.to_out": (128, 128)}
    parts |= {"1.0": (128,), "1.1": (512, 128), "1.3": (128, 512)}
    shapes |= {f"layers.{index}.{part}": shape for index in range(4) for part, shape in parts.items()}
    tensors = {}
    for part, shape in shapes.items():
        is_biased = len(shape) == 1 or part in ("proj_in", "proj_out")
        weight = torch.randn(shape) / shape[-1] ** 0.5 if len(shape) > 1 else 1 + 0.1 * torch.randn(shape)
        tensors["image_proj.latents" if part == "latents" else f"image_proj.{part}.weight"] = weight
        tensors |= {f"image_proj.{part}.bias": 0.1 * torch.randn(shape[0])} if is_biased else {}
    for index in (1, 3, 5, 7):
        for kind in "kv":
            tensors[f"ip_adapter.{index}.to_{kind}_ip.weight"] = torch.randn(16, width) * 0.3
    (folder / "models").mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "models" / name)
    write_image_encoder(folder / "models" / "image_encoder", layers=3)
    return folder


def write_novel_view(folder: Path, *, projection: str = "cc_projection", weight: str = "projection.weight") -> Path:
    """Zero-1-to-3's parts, as its mirrors lay them out."""
    torch.manual_seed(2)
    write_unet(folder, in_channels=8, addition_embed_type=None, resnet_time_scale_shift="default")
    write_vae_and_scheduler(folder)
    write_image_encoder(folder / "image_encoder")
    (folder / projection).mkdir()
    bias = weight.replace("weight", "bias")
    tensors = {weight: torch.randn(WIDTH, 24 + 4), bias: torch.randn(WIDTH)}
    save_file(tensors, folder / projection / "diffusion_pytorch_model.safetensors")
    return folder


def write_shap_e(folder: Path) -> Path:
    """openai/shap-e's layout: text of 16 numbers, a latent of 32 tokens, a network of 8 neurons a layer."""
    torch.manual_seed(0)
    layers = tuple((f"nerstf.mlp.{i}.weight", (8, 93 if i == 0 else 8)) for i in range(4))
    names, shapes = zip(*layers, strict=True)
    text = CLIPTextConfig.from_pretrained(EMBEDDED / "text_to_image" / "text_encoder")
    text.projection_dim = 16
    CLIPTextModelWithProjection(text).save_pretrained(folder / "text_encoder")
    shutil.copytree(EMBEDDED / "text_to_image" / "tokenizer", folder / "tokenizer")
    PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=16,
        embedding_dim=16,
        num_embeddings=32,
        embedding_proj_dim=16,
        time_embed_dim=64,
        num_layers=1,
        clip_embed_dim=32,
        additional_embeddings=0,
        time_embed_act_fn="gelu",
        norm_in_type="layer",
        encoder_hid_proj_type=None,
        added_emb_type=None,
    ).save_pretrained(folder / "prior")
    ShapERenderer(
        param_names=names, param_shapes=shapes, d_latent=16, d_hidden=8, n_output=12, background=(255.0,) * 3
    ).save_pretrained(folder / "shap_e_renderer")
    HeunDiscreteScheduler(
        beta_schedule="exp",
        num_train_timesteps=1024,
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    ).save_pretrained(folder / "scheduler")
    return folder


def write_t5(folder: Path) -> None:
    """DeepFloyd IF's text encoder, with a tokenizer of 200 pieces."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0)]
    words += [(f"\u2581{word}", -2.0) for word in ("a", "blue", "penguin", "red", "mug", "front", "view")]
    words += [(chr(code), -5.0) for code in range(33, 127)]
    T5Tokenizer(vocab=words, extra_ids=20).save_pretrained(folder / "tokenizer")
    T5EncoderModel(T5Config(vocab_size=256, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)).save_pretrained(
        folder / "text_encoder"
    )


def write_pixel_host(folder: Path) -> Path:
    """DeepFloyd IF's layout: a UNet of pixels that also predicts a variance, T5, and no autoencoder."""
    torch.manual_seed(3)
    write_unet(
        folder,
        sample_size=16,
        in_channels=3,
        out_channels=6,
        encoder_hid_dim=32,
        encoder_hid_dim_type="text_proj",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
    )
    DDPMScheduler(
        beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon"
    ).save_pretrained(folder / "scheduler")
    write_t5(folder)
    return folder


def write_sdxl(folder: Path) -> Path:
    """SDXL's layout: two text encoders, and a UNet that is told the image's size."""
    torch.manual_seed(4)
    write_vae_and_scheduler(folder)
    text = CLIPTextConfig.from_pretrained(EMBEDDED / "text_to_image" / "text_encoder")
    text.projection_dim = 40
    CLIPTextModel(text).save_pretrained(folder / "text_encoder")
    CLIPTextModelWithProjection(text).save_pretrained(folder / "text_encoder_2")
    for part in ("tokenizer", "tokenizer_2"):
        shutil.copytree(EMBEDDED / "text_to_image" / "tokenizer", folder / part)
    write_unet(
        folder,
        cross_attention_dim=2 * WIDTH,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=40 + 6 * 8,
        resnet_time_scale_shift="default",
    )
    return folder
