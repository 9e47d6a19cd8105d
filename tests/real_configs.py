# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations of the published hosts as their files have them, and the changes that make them tiny.

A change touches widths alone: the names of the weights stay those of the published files (``test_host_layouts.py``).
IF's is put together from its model card and its paper; it has the 4.3 billion parameters that the card says.
"""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]

SD_BLOCKS: Config = {
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
}
SD15: Config = {**SD_BLOCKS, "sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
SD21_BASE: Config = {
    **SD_BLOCKS,
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
SD21: Config = {**SD21_BASE, "sample_size": 96}
MVDREAM: Config = {**SD21_BASE, "sample_size": 32}
ZERO123: Config = {**SD15, "sample_size": 32, "in_channels": 8}
SDXL: Config = {
    "sample_size": 128,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (320, 640, 1280),
    "transformer_layers_per_block": (1, 2, 10),
    "layers_per_block": 2,
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 1280 + 6 * 256,
}
IF: Config = {
    "sample_size": 64,
    "in_channels": 3,
    "out_channels": 6,
    "act_fn": "gelu",
    "down_block_types": ("ResnetDownsampleBlock2D",) + ("SimpleCrossAttnDownBlock2D",) * 3,
    "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
    "up_block_types": ("SimpleCrossAttnUpBlock2D",) * 3 + ("ResnetUpsampleBlock2D",),
    "block_out_channels": (704, 1408, 2112, 2816),
    "layers_per_block": 3,
    "cross_attention_dim": 2816,
    "cross_attention_norm": "group_norm",
    "attention_head_dim": 64,
    "encoder_hid_dim": 4096,
    "encoder_hid_dim_type": "text_proj",
    "addition_embed_type": "text",
    "addition_embed_type_num_heads": 64,
    "resnet_time_scale_shift": "scale_shift",
}
UNETS: Mapping[str, Config] = {
    "sd-1.5": SD15,
    "sd-2.1-base": SD21_BASE,
    "sd-2.1": SD21,
    "sdxl": SDXL,
    "if": IF,
    "mvdream": MVDREAM,
    "zero123-xl": ZERO123,
}
PARAMETERS_M: Mapping[str, float] = {
    "sd-1.5": 859.5,
    "sd-2.1-base": 865.9,
    "sd-2.1": 865.9,
    "sdxl": 2567.5,
    "if": 4304.7,
    "mvdream": 865.9,
    "zero123-xl": 859.5,
}
"""Millions, of the UNets as published; MVDream's without its camera embedding."""

TINY_SD: Config = {"sample_size": 8, "block_out_channels": (8, 16, 32, 32), "norm_num_groups": 4}
TINY: Mapping[str, Config] = {
    "sd-1.5": {**TINY_SD, "cross_attention_dim": 24, "attention_head_dim": 2},
    "sd-2.1-base": {**TINY_SD, "cross_attention_dim": 32, "attention_head_dim": (1, 2, 4, 4)},
    "sd-2.1": {**TINY_SD, "cross_attention_dim": 32, "attention_head_dim": (1, 2, 4, 4)},
    "mvdream": {**TINY_SD, "cross_attention_dim": 32, "attention_head_dim": (1, 2, 4, 4)},
    "zero123-xl": {**TINY_SD, "cross_attention_dim": 24, "attention_head_dim": 2},
    "sdxl": {
        "sample_size": 8,
        "block_out_channels": (8, 16, 32),
        "norm_num_groups": 4,
        "cross_attention_dim": 24 + 40,
        "attention_head_dim": (1, 2, 4),
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 40 + 6 * 8,
    },
    "if": {
        "sample_size": 16,
        "block_out_channels": (8, 16, 24, 32),
        "norm_num_groups": 4,
        "cross_attention_dim": 32,
        "attention_head_dim": 4,
        "encoder_hid_dim": 32,
        "addition_embed_type_num_heads": 2,
    },
}

CLIP_L: Config = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
CLIP_H: Config = {
    "hidden_size": 1024,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "gelu",
}
CLIP_BIGG: Config = {
    "hidden_size": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "intermediate_size": 5120,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
T5_XXL: Config = {"vocab_size": 32128, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64}
TINY_TEXT: Mapping[int, Config] = {
    width: {"hidden_size": width, "num_attention_heads": 2, "intermediate_size": 2 * width, "projection_dim": width}
    for width in (24, 32, 40)
}
"""By width; the number of layers, and so the names, are the published ones."""
TINY_T5: Config = {"vocab_size": 256, "d_model": 32, "d_kv": 8, "d_ff": 32, "num_heads": 2}

SCHEDULE: Config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
VAE: Config = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
TINY_VAE: Config = {"block_out_channels": (4, 8, 16, 16), "norm_num_groups": 4}
