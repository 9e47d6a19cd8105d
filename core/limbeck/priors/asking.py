# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One forward pass of a UNet, whatever it wants to be told beside latents, timesteps and text."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.devices import uploaded
from limbeck.priors.prior import Cond

TIME_IDS = 6
"""SDXL is told the image's size, where it was cropped, and the size to make: two numbers each."""


def ask(
    unet: Any,
    xt: Float[Tensor, "batch channels h w"],
    t: Int[Tensor, " batch"],
    cond: Cond,
    pixels_per_latent: int = 8,
    **arguments: Any,
) -> Float[Tensor, "batch answered h w"]:
    """Return what the UNet predicts, in the type of ``xt`` whatever type it computes in.

    A UNet that also predicts a variance (DeepFloyd IF) answers with twice the channels; the second half is dropped.
    One that also gets a reference's latents (Zero-1-to-3) answers with half of them.

    Args:
        unet: diffusers' UNet2DConditionModel.
        xt: noised latents, or pixels of a model without autoencoder.
        t: timesteps.
        cond: text and camera; other parts are in ``arguments``.
        pixels_per_latent: for SDXL, which is told the size in pixels.
        arguments: further keyword arguments of the UNet.
    """
    text, dtype = cond.text, unet.dtype
    if unet.config["addition_embed_type"] == "text_time":
        text, added = _told_sizes(unet, xt, text, pixels_per_latent)
        arguments["added_cond_kwargs"] = {**arguments.get("added_cond_kwargs", {}), **added}
    camera = None if cond.camera is None else cond.camera.to(dtype)
    answer = unet(xt.to(dtype), t, text.to(dtype), class_labels=camera, return_dict=False, **_cast(arguments, dtype))[0]
    return answer[:, : xt.shape[1]].to(xt.dtype)


def _told_sizes(
    unet: Any, xt: Tensor, text: Tensor, pixels_per_latent: int
) -> tuple[Float[Tensor, "batch tokens width"], dict[str, Tensor]]:
    """Take the pooled embedding off the text (``DoubleTextEncoder``) and say that the image is whole and this large."""
    config = unet.config
    pooled_width = config["projection_class_embeddings_input_dim"] - TIME_IDS * config["addition_time_embed_dim"]
    height, width = (size * pixels_per_latent for size in xt.shape[2:])
    ids = uploaded(torch.tensor([height, width, 0, 0, height, width], dtype=torch.float32), xt.device)
    return text[:, :-1], {"text_embeds": text[:, -1, :pooled_width], "time_ids": ids.expand(len(xt), TIME_IDS)}


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Return nested arguments with every floating tensor in the type that the UNet computes in."""
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: _cast(item, dtype) for key, item in value.items()}
    return type(value)(_cast(item, dtype) for item in value) if isinstance(value, (list, tuple)) else value
