# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ControlNet: a text-to-image UNet held to a depth map or another picture (Zhang et al., arXiv:2302.05543)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Bool, Float, Int
from torch import Tensor

from limbeck.priors.files import load_module
from limbeck.priors.prior import Cond

SHARED = ("in_channels", "block_out_channels", "layers_per_block", "cross_attention_dim", "down_block_types")
"""What a ControlNet's configuration must have in common with its UNet's."""


def depth_control(
    depth: Float[Tensor, "views H W"], is_object: Bool[Tensor, "views H W"]
) -> Float[Tensor, "views 3 H W"]:
    """Return inverse depth in 0 to 1: 1 is the nearest point of each image, 0 the background, which is infinitely far.

    Args:
        depth: distance along the viewing direction; any value where nothing is.
        is_object: where something is.
    """
    inverse = torch.where(is_object, 1 / depth.clamp_min(1e-6), 0.0)
    nearest = inverse.amax((1, 2), keepdim=True).clamp_min(1e-6)
    return (inverse / nearest)[:, None].repeat(1, 3, 1, 1)


def controlnet_like(unet: UNet2DConditionModel, pixels_per_latent: int) -> ControlNetModel:
    """Return a ControlNet that starts as a copy of the UNet's encoder and changes nothing yet.

    diffusers' ``from_unet`` forgets ``addition_embed_type_num_heads``; the default of 64 heads fails on small UNets.

    Args:
        unet: the UNet that it will steer.
        pixels_per_latent: pixels per side of one latent, a power of two.
    """
    halvings = pixels_per_latent.bit_length() - 1
    channels = tuple(min(16 * 2**level, 256) for level in range(halvings + 1))
    copy = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=channels)
    config: dict[str, Any] = {name: value for name, value in copy.config.items() if not name.startswith("_")}
    config["addition_embed_type_num_heads"] = unet.config["addition_embed_type_num_heads"]
    controlnet = ControlNetModel(**config)
    controlnet.load_state_dict(copy.state_dict())
    return controlnet


def find_controlnet(folder: Path) -> Path:
    """Return the folder of the ControlNet itself, which may be ``folder`` or its subfolder ``controlnet``."""
    return folder / "controlnet" if (folder / "controlnet").is_dir() else folder


def load_controlnet(
    folder: Path, unet: UNet2DConditionModel, device: torch.device, dtype: torch.dtype = torch.float32
) -> ControlNetModel:
    """Load a ControlNet for a UNet.

    Raises:
        ValueError: if it was made for another UNet.
    """
    controlnet = load_module(ControlNetModel, folder, device, dtype)
    for name in SHARED:
        if controlnet.config[name] != unet.config[name]:
            theirs, ours = controlnet.config[name], unet.config[name]
            raise ValueError(f"it was made for another UNet: its {name} is {theirs}, the UNet's is {ours}")
    return controlnet


def control_arguments(
    controlnet: Any, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond
) -> dict[str, Any]:
    """Return the keyword arguments by which a UNet hears the control at each sample's own scale.

    Multiplied residuals are exact: at scale 0 a sample gets what the UNet without control gives, bit for bit.

    Raises:
        ValueError: if the control has not the size of the images that the latents stand for.
    """
    if cond.control is None:
        return {}
    factor = 2 ** (len(controlnet.config["conditioning_embedding_out_channels"]) - 1)
    expected = (xt.shape[2] * factor, xt.shape[3] * factor)
    if tuple(cond.control.shape[2:]) != expected:
        raise ValueError(f"expected a control of {expected} pixels, got {tuple(cond.control.shape[2:])}")
    dtype = controlnet.dtype
    down, middle = controlnet(xt.to(dtype), t, cond.text.to(dtype), cond.control.to(dtype), return_dict=False)
    if cond.control_scale is not None:
        gate = cond.control_scale[:, None, None, None]
        down, middle = [residual * gate for residual in down], middle * gate
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
