# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ImageReward against BLIP written out in plain torch, and every way in which its folder can be wrong."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from limbeck.errors import LimbeckError
from limbeck.evaluation.image_reward import MEAN, STD, ImageReward
from tiny_models import CPU

WIDTH, TEXT_WIDTH, PATCH, SIDE, LAYERS = 128, 64, 8, 4, 2


def reward_tensors() -> dict[str, Tensor]:
    """Random weights under ImageReward's own keys: timm's transformer, BLIP's BERT, five linear layers."""
    generator = torch.Generator().manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "pos_embed": (1, SIDE**2 + 1, WIDTH),
        "cls_token": (1, 1, WIDTH),
    }
    for at in range(LAYERS):
        layers = {"norm1": (WIDTH,), "norm2": (WIDTH,), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
        layers |= {"mlp.fc1": (2 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 2 * WIDTH)}
        shapes |= with_biases({f"blocks.{at}.{name}": shape for name, shape in layers.items()})
    shapes |= with_biases({"norm": (WIDTH,)})
    vision = {f"blip.visual_encoder.{key}": shape for key, shape in shapes.items()}
    width = (TEXT_WIDTH, TEXT_WIDTH)
    shapes = {
        "word_embeddings.weight": (len(VOCABULARY) + 2, TEXT_WIDTH),
        "position_embeddings.weight": (64, TEXT_WIDTH),
    }
    text = {f"embeddings.{key}": shape for key, shape in (shapes | with_biases({"LayerNorm": width[:1]})).items()}
    for at in range(LAYERS):
        layers = {"attention.self.query": width, "attention.self.key": width, "attention.self.value": width}
        layers |= {"attention.output.dense": width, "attention.output.LayerNorm": width[:1]}
        layers |= {"crossattention.self.query": width, "crossattention.self.key": (TEXT_WIDTH, WIDTH)}
        layers |= {"crossattention.self.value": (TEXT_WIDTH, WIDTH), "crossattention.output.dense": width}
        layers |= {"crossattention.output.LayerNorm": width[:1], "intermediate.dense": (96, TEXT_WIDTH)}
        layers |= {"output.dense": (TEXT_WIDTH, 96), "output.LayerNorm": width[:1]}
        text |= with_biases({f"encoder.layer.{at}.{name}": shape for name, shape in layers.items()})
    text = {f"blip.text_encoder.{key}": shape for key, shape in text.items()}
    widths = (TEXT_WIDTH, 1024, 128, 64, 16, 1)
    numbered = zip((0, 2, 4, 6, 7), widths[:-1], widths[1:], strict=True)
    head = with_biases({f"mlp.layers.{number}": (after, before) for number, before, after in numbered})
    tensors = {
        key: torch.randn(shape, generator=generator) / math.prod(shape[1:]) ** 0.5
        for key, shape in (vision | text | head).items()
    }
    tensors["blip.text_encoder.embeddings.position_ids"] = torch.arange(64)[None]
    tensors["blip.vision_proj.weight"] = torch.zeros(4, WIDTH)  # there, too, and not used
    return tensors


def with_biases(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    weights = {f"{key}.weight": shape for key, shape in shapes.items()}
    return weights | {f"{key}.bias": shape[:1] for key, shape in shapes.items()}


VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "blue", "mug", "penguin"]


def write_reward(folder: Path) -> Path:
    folder.mkdir()
    save_file(reward_tensors(), folder / "ImageReward.safetensors")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    parts = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in (query, key, value))
    query, key, value = parts
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(mask[:, None, None] == 0, -torch.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2).flatten(2)


def plain_reward(t: dict[str, Tensor], rgb: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """ImageReward in plain torch: BLIP's picture encoder, its text encoder reading it, the head."""

    def dense(name: str, x: Tensor) -> Tensor:
        return linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    def norm(name: str, x: Tensor, eps: float) -> Tensor:
        return layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"], eps)

    v = "blip.visual_encoder."
    x = torch.nn.functional.conv2d(rgb, t[f"{v}patch_embed.proj.weight"], t[f"{v}patch_embed.proj.bias"], PATCH)
    x = torch.cat([t[f"{v}cls_token"].expand(len(rgb), -1, -1), x.flatten(2).transpose(1, 2)], 1) + t[f"{v}pos_embed"]
    for at in range(LAYERS):
        b = f"{v}blocks.{at}."
        qkv = dense(f"{b}attn.qkv", norm(f"{b}norm1", x, 1e-6)).chunk(3, -1)
        x = x + dense(f"{b}attn.proj", attend(*qkv, WIDTH // 64))
        x = x + dense(f"{b}mlp.fc2", gelu(dense(f"{b}mlp.fc1", norm(f"{b}norm2", x, 1e-6))))
    seen = norm(f"{v}norm", x, 1e-6)
    e = "blip.text_encoder.embeddings."
    h = t[f"{e}word_embeddings.weight"][ids] + t[f"{e}position_embeddings.weight"][: ids.shape[1]]
    h = norm(f"{e}LayerNorm", h, 1e-12)
    for at in range(LAYERS):
        b = f"blip.text_encoder.encoder.layer.{at}."
        for kind, source, hidden in (("attention", None, mask), ("crossattention", seen, None)):
            read = h if source is None else source
            keys = (dense(f"{b}{kind}.self.{name}", read) for name in ("key", "value"))
            answer = attend(dense(f"{b}{kind}.self.query", h), *keys, TEXT_WIDTH // 64, hidden)
            h = norm(f"{b}{kind}.output.LayerNorm", dense(f"{b}{kind}.output.dense", answer) + h, 1e-12)
        inner = dense(f"{b}output.dense", gelu(dense(f"{b}intermediate.dense", h)))
        h = norm(f"{b}output.LayerNorm", inner + h, 1e-12)
    reward = h[:, 0]
    for number in (0, 2, 4, 6, 7):
        reward = dense(f"mlp.layers.{number}", reward)
    return (reward[:, 0] - MEAN) / STD


@torch.no_grad()
def test_image_reward_is_blip_in_plain_torch(tmp_path: Path) -> None:
    model = ImageReward.load(write_reward(tmp_path / "reward"), CPU)
    shown = np.random.default_rng(0).integers(0, 256, (20, PATCH * SIDE, PATCH * SIDE, 3)).astype(np.uint8)
    ids = torch.zeros(20, 35, dtype=torch.long)
    ids[:, :5] = torch.tensor([VOCABULARY.index(word) for word in ("[CLS]", "a", "red", "mug", "[SEP]")])
    mask = (torch.arange(35) < 5).long().expand(20, -1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    rgb = (torch.from_numpy(shown.transpose(0, 3, 1, 2)).float() / 255 - mean) / std
    expected = plain_reward(reward_tensors(), rgb, ids, mask).numpy()
    assert np.ptp(expected) > 0.05, "pictures differ"
    assert np.allclose(model.fit(shown, "A red mug"), expected, atol=1e-4)
    assert np.abs(model.fit(shown, "a blue penguin") - expected).max() > 0.01


CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def test_a_pickled_image_reward_is_never_read(tmp_path: Path) -> None:
    (tmp_path / "ImageReward.pt").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    with pytest.raises(LimbeckError) as caught:
        ImageReward.load(tmp_path, CPU)
    assert caught.value.code == "E_MODEL_UNSAFE"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("spoil", ["weights", "vocab.txt", "cut", "keys", "empty"])
def test_an_image_reward_that_is_not_whole_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = write_reward(tmp_path / "reward")
    weights = folder / "ImageReward.safetensors"
    match spoil:
        case "weights":
            weights.unlink()
        case "vocab.txt":
            (folder / "vocab.txt").unlink()
        case "cut":
            weights.write_bytes(weights.read_bytes()[:5000])
        case "keys":
            tensors = reward_tensors()
            del tensors["blip.visual_encoder.blocks.1.attn.qkv.bias"]
            save_file(tensors, weights)
        case "empty":
            save_file({"something": torch.zeros(1)}, weights)
    with pytest.raises(LimbeckError) as caught:
        ImageReward.load(folder, CPU)
    assert caught.value.code == "E_MODEL_INCOMPLETE"
