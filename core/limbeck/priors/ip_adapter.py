# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""IP-Adapter: a text-to-image UNet that also attends to an image (Ye et al., arXiv:2308.06721).

Files are in the layout of h94/IP-Adapter, ``models/ip-adapter*.safetensors`` beside ``models/image_encoder``, and are
loaded by diffusers. Each sample has a gate of its own, so that scores with and without the image come from one forward
pass: at gate 0 a sample gets what the UNet without adapter gives at the same batch size, bit for bit.

The plain adapter makes four tokens of CLIP's image embedding by a linear layer; IP-Adapter Plus makes sixteen of the
hidden states of CLIP's patches by a small transformer of four layers, a perceiver (arXiv:2103.03206).
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from limbeck.priors.files import frozen, hushed
from limbeck.priors.image_encoder import PictureReader
from limbeck.priors.prior import Cond

TOKENS = 4
"""Image tokens of the plain IP-Adapter; diffusers fixes the number by the layout of the file."""
WEIGHTS = ("ip-adapter.safetensors", "ip-adapter_sd15.safetensors", "ip-adapter-plus_sd15.safetensors")
"""In a folder that has several, the first counts; another one is named as a file."""
PLUS_LAYERS, PLUS_HEAD = 4, 64
"""What diffusers' loader takes for granted: the perceiver's depth, and the width of its attention's heads."""

AdapterState = dict[str, dict[str, Tensor]]
"""``image_proj`` and ``ip_adapter``, each by the names within the file."""


def find_adapter(folder: Path) -> Path:
    """Return the weight file of a folder in h94/IP-Adapter's layout; a weight file is returned as it is.

    Raises:
        FileNotFoundError: if there is none.
    """
    if folder.is_file():
        return folder
    for name in WEIGHTS:
        if (folder / "models" / name).is_file():
            return folder / "models" / name
    raise FileNotFoundError(f"no models/{' or models/'.join(WEIGHTS)} (files of pickles are never read)")


def read_adapter(path: Path) -> AdapterState:
    """Read a weight file.

    Raises:
        ValueError: if it has neither the layout of a plain IP-Adapter nor that of IP-Adapter Plus.
    """
    state: AdapterState = defaultdict(dict)
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118, the handle is not a mapping
            part, _, rest = name.partition(".")
            state[part][rest] = file.get_tensor(name)
    if set(state) != {"image_proj", "ip_adapter"} or set(state["image_proj"]) not in (_plain_names(), _plus_names()):
        got = sorted(state["image_proj"])[:4] if "image_proj" in state else sorted(state)[:4]
        raise ValueError(f"expected the image_proj of a plain IP-Adapter or of IP-Adapter Plus, got {got}")
    heads, rest = (
        divmod(state["image_proj"]["layers.0.0.to_q.weight"].shape[0], PLUS_HEAD) if is_plus(state) else (1, 0)
    )
    if not heads or rest:
        raise ValueError(f"expected heads of {PLUS_HEAD} numbers in its image_proj, got another attention")
    return dict(state)


def _plain_names() -> set[str]:
    """Return the names of the projection's weights in a plain IP-Adapter."""
    return {f"{layer}.{kind}" for layer in ("proj", "norm") for kind in ("weight", "bias")}


def _plus_names() -> set[str]:
    """Return the names of the perceiver's weights in IP-Adapter Plus, as it is published."""
    layers = [f"layers.{index}" for index in range(PLUS_LAYERS)]
    with_bias = [
        "proj_in",
        "proj_out",
        "norm_out",
        *(f"{it}.{part}" for it in layers for part in ("0.norm1", "0.norm2", "1.0")),
    ]
    without = [f"{it}.{part}" for it in layers for part in ("0.to_q", "0.to_kv", "0.to_out", "1.1", "1.3")]
    return {"latents", *(f"{it}.bias" for it in with_bias), *(f"{it}.weight" for it in (*with_bias, *without))}


def is_plus(state: AdapterState) -> bool:
    """Return whether this is IP-Adapter Plus, which looks at an image's patches."""
    return "latents" in state["image_proj"]


def required_width(state: AdapterState) -> int:
    """Return how many numbers the image encoder must give: for an image, or for each of its patches."""
    return state["image_proj"]["proj_in.weight" if is_plus(state) else "proj.weight"].shape[1]


def attach_adapter(unet: UNet2DConditionModel, state: AdapterState, device: torch.device) -> None:
    """Put the adapter into the UNet, in place, by diffusers' own loader.

    Raises:
        ValueError: if the adapter was made for another UNet.
    """
    expected = {
        f"{index}.to_{kind}_ip.weight": attention_shape(unet, name)
        for index, name in adapted_processors(unet).items()
        for kind in "kv"
    }
    got = {name: tuple(tensor.shape) for name, tensor in state["ip_adapter"].items()}
    if got != expected:
        wrong = sorted(name for name in expected | got if expected.get(name) != got.get(name))[0]
        raise ValueError(
            f"it was made for another UNet: {wrong} should have shape {expected.get(wrong)}, has {got.get(wrong)}"
        )
    tokens = state["image_proj"]["norm_out.weight" if is_plus(state) else "norm.weight"]
    if tokens.shape != (unet.config["cross_attention_dim"],):
        raise ValueError(f"it was made for another UNet: its tokens have {len(tokens)} numbers")
    with hushed("diffusers.models.modeling_utils"):  # it casts the UNet to its own type and warns of that
        unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)  # what diffusers' pipelines call
    frozen(unet, device)


def adapted_processors(unet: UNet2DConditionModel) -> dict[int, str]:
    """Return the cross-attention processors by the number that the file gives them: 1, 3, 5, ..., the middle last."""
    names = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    return {2 * index + 1: name for index, name in enumerate(names)}


def attention_shape(unet: UNet2DConditionModel, processor: str) -> tuple[int, int]:
    """Return the shape of a cross-attention's key and value weights."""
    attention: Any = unet.get_submodule(processor.removesuffix(".processor"))
    return (attention.to_k.out_features, attention.to_k.in_features)


def image_prompt_arguments(
    cond: Cond, xt: Float[Tensor, "batch channels h w"], encoder: PictureReader
) -> dict[str, Any]:
    """Return the keyword arguments by which a UNet with adapter hears the image at each sample's own scale.

    A condition without image gets zero embeddings behind a closed gate: the UNet without adapter.

    Raises:
        ValueError: if the embeddings are not as wide as the adapter's.
    """
    batch, image_width = len(xt), encoder.width
    image = cond.image
    scale = cond.image_scale
    if image is None:
        image, scale = xt.new_zeros(batch, 1, image_width), xt.new_zeros(batch)
    if image.shape[2] != image_width:
        raise ValueError(f"expected image embeddings of width {image_width}, got {image.shape[2]}")
    gate = xt.new_ones(batch) if scale is None else scale
    masks = gate[:, None, None, None].expand(batch, image.shape[1], *xt.shape[2:])
    return {
        "added_cond_kwargs": {"image_embeds": [encoder.unfold(image)]},
        "cross_attention_kwargs": {"ip_adapter_masks": [masks]},
    }
