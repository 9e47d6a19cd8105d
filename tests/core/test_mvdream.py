# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream's UNet loads from each published layout, and every key of the real configuration finds its place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from limbeck.priors import mvdream
from limbeck.priors.multiview import join_views

CPU = torch.device("cpu")
ORIGINAL_CONFIG = {
    "image_size": 8,
    "model_channels": 32,
    "channel_mult": [1, 2],
    "num_res_blocks": 1,
    "attention_resolutions": [1],
    "num_head_channels": 16,
    "context_dim": 24,
}
SD21_ORIGINAL: dict[str, Any] = {}
"""Empty: every default is that of Stable Diffusion 2.1, which MVDream's published checkpoint was made from."""


def unet_of(original: dict[str, Any]) -> UNet2DConditionModel:
    config = mvdream.stable_diffusion_2_config(original)
    camera = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 16}
    return UNet2DConditionModel(**config, **camera)


def original_names(state: dict[str, Tensor], layers_per_block: int) -> dict[str, Tensor]:
    """Return a UNet's weights under the names of the original code."""
    return {original_name(name, layers_per_block): value for name, value in state.items()}


def original_name(name: str, layers_per_block: int) -> str:
    for ours, theirs in (
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("class_embedding.linear_1", "camera_embed.0"),
        ("class_embedding.linear_2", "camera_embed.2"),
        ("conv_in", "input_blocks.0.0"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2"),
    ):
        if name.startswith(f"{ours}."):
            return name.replace(ours, theirs, 1)
    per_block = layers_per_block + 1
    if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
        return f"input_blocks.{(int(found[1]) + 1) * per_block}.0.op.{found[2]}"
    if found := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        number = 1 + int(found[1]) * per_block + int(found[3])
        return f"input_blocks.{number}.{_part(found[2], found[4])}"
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d+)\.(.*)", name):
        number = {"resnets0": 0, "attentions0": 1, "resnets1": 2}[found[1] + found[2]]
        return f"middle_block.{number}.{_part(found[1], found[3])[2:]}"
    if found := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
        number = int(found[1]) * per_block + int(found[3])
        return f"output_blocks.{number}.{_part(found[2], found[4])}"
    found = re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.*)", name)
    assert found, name
    return f"output_blocks.{(int(found[1]) + 1) * per_block - 1}.UP.conv.{found[2]}"


def _part(kind: str, rest: str) -> str:
    if kind == "attentions":
        return f"1.{rest}"
    for ours, theirs in (
        ("norm1", "in_layers.0"),
        ("conv1", "in_layers.2"),
        ("norm2", "out_layers.0"),
        ("conv2", "out_layers.3"),
        ("time_emb_proj", "emb_layers.1"),
        ("conv_shortcut", "skip_connection"),
    ):
        rest = rest.replace(f"{ours}.", f"{theirs}.", 1) if rest.startswith(f"{ours}.") else rest
    return f"0.{rest}"


def placed(original: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give upsamplers their number: 2 after an attention, else 1."""
    names = set(original)
    renamed = {}
    for name, value in original.items():
        block = name.split(".UP.")[0]
        has_attention = any(other.startswith(f"{block}.1.") for other in names)
        renamed[name.replace(".UP.", ".2." if has_attention else ".1.")] = value
    return renamed


def answer(unet: UNet2DConditionModel) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    join_views(unet, 4)
    xt = torch.randn(4, 4, 8, 8, generator=generator)
    text = torch.randn(4, 5, 24, generator=generator)
    camera = torch.randn(4, 16, generator=generator)
    with torch.no_grad():
        return unet(xt, torch.full((4,), 500), text, class_labels=camera, return_dict=False)[0]


@pytest.fixture(scope="module")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return unet_of(ORIGINAL_CONFIG).eval()


def write(folder: Path, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "weights.safetensors")


def test_camera_in_a_folder_of_its_own_is_put_in(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    state = unet.state_dict()
    camera = {name: value for name, value in state.items() if name.startswith("class_embedding.")}
    rest = {name: value for name, value in state.items() if name not in camera}
    write(tmp_path / "unet", mvdream.stable_diffusion_2_config(ORIGINAL_CONFIG), rest)
    named = {name.replace("class_embedding.linear_", "camera_proj."): value for name, value in camera.items()}
    write(tmp_path / "camera_proj", {}, named)
    assert torch.equal(answer(mvdream.load_mvdream_unet(tmp_path, CPU)), answer(unet))


def test_original_names_are_converted(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    write(tmp_path / "unet", ORIGINAL_CONFIG, placed(original_names(unet.state_dict(), 1)))
    assert torch.equal(answer(mvdream.load_mvdream_unet(tmp_path, CPU)), answer(unet))


def test_whole_checkpoint_is_converted(unet: UNet2DConditionModel) -> None:
    names = placed(original_names(unet.state_dict(), 1))
    weights = {f"model.diffusion_model.{name}": value for name, value in names.items()}
    weights["first_stage_model.encoder.conv_in.weight"] = torch.zeros(1)
    config = mvdream.stable_diffusion_2_config(ORIGINAL_CONFIG)
    assert torch.equal(answer(mvdream.unet_of_original(weights, config, CPU)), answer(unet))


def test_every_key_of_the_published_configuration_finds_its_place() -> None:
    with torch.device("meta"):
        real = unet_of(SD21_ORIGINAL)
    assert sum(value.numel() for value in real.state_dict().values()) == pytest.approx(867.6e6, rel=1e-3)
    names = placed(original_names(real.state_dict(), 2))
    converted = mvdream.convert_ldm_unet_checkpoint(
        {f"model.diffusion_model.{mvdream._as_label(name)}": value for name, value in names.items()},
        {**mvdream.stable_diffusion_2_config(SD21_ORIGINAL), "class_embed_type": "projection"},
    )
    expected = {name: value.shape for name, value in real.state_dict().items()}
    assert {name: value.shape for name, value in converted.items()} == expected


def test_missing_and_left_over_weights_are_refused(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    names = placed(original_names(unet.state_dict(), 1))
    names.pop("out.2.bias")
    write(tmp_path / "unet", ORIGINAL_CONFIG, names)
    with pytest.raises(RuntimeError, match=r"conv_out\.bias"):
        mvdream.load_mvdream_unet(tmp_path, CPU)


def test_unet_without_any_camera_is_refused(unet: UNet2DConditionModel, tmp_path: Path) -> None:
    state = {name: value for name, value in unet.state_dict().items() if not name.startswith("class_embedding.")}
    write(tmp_path / "unet", mvdream.stable_diffusion_2_config(ORIGINAL_CONFIG), state)
    with pytest.raises(ValueError, match="takes no camera"):
        mvdream.load_mvdream_unet(tmp_path, CPU)
    write(tmp_path / "camera_proj", {}, {"weight": torch.zeros(3, 3)})
    with pytest.raises(ValueError, match="two linear layers"):
        mvdream.load_mvdream_unet(tmp_path, CPU)
