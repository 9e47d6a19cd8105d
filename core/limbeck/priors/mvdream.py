# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream's UNet (Shi et al., arXiv:2308.16512) from each layout in which it is published.

It is Stable Diffusion's with one more input, the camera, whose embedding is added to that of the timestep: what
diffusers calls a class embedding of type "projection". Three layouts:

- that of diffusers, the camera's embedding within the UNet (Limbeck's own folders);
- that of diffusers, the camera's embedding in a folder of its own, ``camera_proj``;
- the original names (``input_blocks``, ``camera_embed``), in a checkpoint or in a UNet's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from limbeck.priors.files import frozen, load_module

CAMERA_WIDTH = 16
"""A camera is its 4 x 4 matrix, row after row."""
CAMERA_FOLDER = "camera_proj"
ORIGINAL = "input_blocks.0.0.weight"
"""A name that tells the original layout."""
PREFIX = "model.diffusion_model."
"""Of a UNet's weights within a whole checkpoint."""

StateDict = Mapping[str, Tensor]


def load_mvdream_unet(folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> UNet2DConditionModel:
    """Load the UNet of a model folder in whichever layout it is.

    Args:
        folder: holds ``unet`` and, in one of the layouts, ``camera_proj``.
        device, dtype: where and in which type it computes.

    Raises:
        OSError, ValueError, RuntimeError: if a file is missing or cut off, or weights are missing or left over.
    """
    config = json.loads((folder / "unet" / "config.json").read_text(encoding="utf-8"))
    if config.get("class_embed_type") == "projection":
        return load_module(UNet2DConditionModel, folder / "unet", device, dtype)
    weights = _read_weights(folder / "unet")
    if ORIGINAL in weights or f"{PREFIX}{ORIGINAL}" in weights:
        return unet_of_original(weights, stable_diffusion_2_config(config), device, dtype)
    if not (folder / CAMERA_FOLDER).is_dir():
        raise ValueError(f"its UNet takes no camera, and there is no {CAMERA_FOLDER} beside it")
    camera = camera_embedding(_read_weights(folder / CAMERA_FOLDER))
    return _filled(config, {**weights, **camera}, device, dtype)


def unet_of_original(
    weights: StateDict, config: Mapping[str, Any], device: torch.device, dtype: torch.dtype = torch.float32
) -> UNet2DConditionModel:
    """Return the UNet of a checkpoint with the original names.

    Args:
        weights: a whole checkpoint's, or those of the UNet alone.
        config: diffusers' configuration of the UNet, with or without the camera's embedding.
        device, dtype: where and in which type it computes.

    Raises:
        ValueError, RuntimeError: if weights are missing or left over.
    """
    return _filled(config, diffusers_names(weights, config), device, dtype)


def diffusers_names(weights: StateDict, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the UNet's weights of a checkpoint with the original names under those of diffusers.

    Args:
        weights: a whole checkpoint's, or those of the UNet alone.
        config: diffusers' configuration of the UNet, with or without the camera's embedding.

    Raises:
        KeyError: if a weight is missing that the names of others depend on.
    """
    has_prefix = any(name.startswith(PREFIX) for name in weights)
    unet = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    unet = unet if has_prefix else dict(weights)
    renamed = {f"{PREFIX}{_as_label(name)}": value for name, value in unet.items()}
    return convert_ldm_unet_checkpoint(renamed, with_camera(config))


def camera_embedding(weights: StateDict) -> dict[str, Tensor]:
    """Return the two layers that embed a camera under diffusers' names, whatever they are called.

    Raises:
        ValueError: if they are not two linear layers, the first from 16 numbers.
    """
    layers = {name.removesuffix(".weight"): value for name, value in weights.items() if value.ndim == 2}
    first = [name for name, value in layers.items() if value.shape[1] == CAMERA_WIDTH]
    second = [name for name in layers if name not in first]
    if len(first) != 1 or len(second) != 1 or any(f"{name}.bias" not in weights for name in layers):
        shapes = sorted(tuple(value.shape) for value in weights.values())
        raise ValueError(f"expected two linear layers from {CAMERA_WIDTH} numbers in {CAMERA_FOLDER}, got {shapes}")
    return {
        f"class_embedding.{layer}.{kind}": weights[f"{name}.{kind}"]
        for layer, name in (("linear_1", first[0]), ("linear_2", second[0]))
        for kind in ("weight", "bias")
    }


def stable_diffusion_2_config(original: Mapping[str, Any]) -> dict[str, Any]:
    """Return diffusers' configuration of a UNet that the original code describes; what it leaves out is SD 2.1's.

    Args:
        original: the original's parameters: ``model_channels``, ``channel_mult``, ``num_res_blocks``, ...
    """
    mult = tuple(original.get("channel_mult", (1, 2, 4, 4)))
    width = int(original.get("model_channels", 320))
    heads = int(original.get("num_head_channels", 64))
    levels = len(mult)
    attends = [2**level in original.get("attention_resolutions", (4, 2, 1)) for level in range(levels)]
    down = tuple("CrossAttnDownBlock2D" if attending else "DownBlock2D" for attending in attends)
    up = tuple("CrossAttnUpBlock2D" if attending else "UpBlock2D" for attending in reversed(attends))
    channels = tuple(width * factor for factor in mult)
    return {
        "sample_size": int(original.get("image_size", 32)),
        "in_channels": int(original.get("in_channels", 4)),
        "out_channels": int(original.get("out_channels", 4)),
        "down_block_types": down,
        "up_block_types": up,
        "block_out_channels": channels,
        "layers_per_block": int(original.get("num_res_blocks", 2)),
        "cross_attention_dim": int(original.get("context_dim", 1024)),
        "attention_head_dim": tuple(channel // heads for channel in channels),
        "use_linear_projection": True,
    }


def with_camera(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return diffusers' configuration of a UNet with the camera's embedding."""
    own = {name: value for name, value in config.items() if not name.startswith("_")}
    return own | {"class_embed_type": "projection", "projection_class_embeddings_input_dim": CAMERA_WIDTH}


def _filled(
    config: Mapping[str, Any], weights: StateDict, device: torch.device, dtype: torch.dtype
) -> UNet2DConditionModel:
    """Return a UNet with a camera embedding and exactly these weights."""
    unet: Any = UNet2DConditionModel(**with_camera(config))
    unet.load_state_dict(weights)  # which widens them one by one
    return frozen(unet.to(dtype), device)


def _as_label(name: str) -> str:
    """Return a camera's weight under the name that diffusers' converter knows, and others as they are."""
    return name.replace("camera_embed.", "label_emb.0.", 1) if name.startswith("camera_embed.") else name


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Return the weights of all safetensors of a folder, or of those in half precision where both are there.

    Raises:
        FileNotFoundError: if there are none.
    """
    paths = sorted(folder.glob("*.safetensors"))
    full = [path for path in paths if ".fp16" not in path.name]
    weights: dict[str, Tensor] = {}
    for path in full or paths:
        weights |= load_file(path)
    if not weights:
        raise FileNotFoundError(f"no safetensors in {folder.name!r}")
    return weights
