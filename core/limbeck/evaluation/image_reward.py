# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""ImageReward-v1.0 (arXiv:2304.05977): how people would like a picture for a prompt. What T3Bench's quality asks.

BLIP's picture encoder (ViT-L/16 at 224 pixels) is read by its text encoder through cross-attention; five linear layers
without activations turn the first token's state into a number, which is then standardised. It is published as a pickle
alone, which can run code when it is read: Limbeck reads only safetensors of the same tensors (docs/evaluation.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertTokenizer, BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel

from limbeck.errors import LimbeckError
from limbeck.evaluation.judge import Pictures, as_rgb
from limbeck.priors.files import frozen, reported_as_incomplete
from limbeck.priors.image_encoder import clip_pixels

WEIGHTS = "ImageReward.safetensors"
NEEDS = f"{WEIGHTS} with ImageReward's own keys, and BERT's tokenizer (vocab.txt)"
MEAN, STD = 0.16717362830052426, 1.0333394966054072
TOKENS = 35
ADDED_TOKENS = 2
"""BLIP's [DEC] and [ENC], which no prompt has; a tokenizer without its file loads silently empty."""
HEAD_WIDTH = 64
"""Of every attention head of ViT-L and of BERT-base."""
VISION_EPS, TEXT_EPS = 1e-6, 1e-12
BATCH = 15
VISION, TEXT, HEAD = "blip.visual_encoder.", "blip.text_encoder.", "mlp.layers."
VISION_NAMES = (
    (r"^patch_embed\.proj", "embeddings.patch_embedding"),
    (r"^pos_embed$", "embeddings.position_embedding"),
    (r"^cls_token$", "embeddings.class_embedding"),
    (r"^norm\.", "post_layernorm."),
    (r"^blocks\.", "encoder.layers."),
    (r"\.norm([12])\.", r".layer_norm\1."),
    (r"\.attn\.qkv\.", ".self_attn.qkv."),
    (r"\.attn\.proj\.", ".self_attn.projection."),
)
"""Names of timm's vision transformer, which BLIP published, to those of transformers."""

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class ImageReward:
    """The reward model.

    Attributes:
        vision, text: BLIP's encoders, of transformers.
        head: the five linear layers.
        tokenizer: BERT's, without capital letters.
        image_size: pixels along an edge of what it looks at.
    """

    vision: Any
    text: Any
    head: nn.Sequential
    tokenizer: Any
    image_size: int

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> ImageReward:
        """Load the model; its sizes are those of the tensors.

        Raises:
            LimbeckError: E_MODEL_UNSAFE if there is but the published pickle, E_MODEL_INCOMPLETE.
        """
        _refuse_pickle(folder)
        with reported_as_incomplete("ImageReward model", folder, NEEDS):
            tensors = load_file(folder / WEIGHTS)
            vision, text = _vision(_within(tensors, VISION)), _text(_within(tensors, TEXT))
            tokenizer: Any = BertTokenizer.from_pretrained(folder, local_files_only=True)
            if not 0 <= text.config.vocab_size - len(tokenizer) <= ADDED_TOKENS:
                raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its encoder {text.config.vocab_size}")
            head = _head(_within(tensors, HEAD))
            parts = frozen(vision, device), frozen(text, device), frozen(head, device)
            return cls(*parts, tokenizer, vision.config.image_size)

    @torch.no_grad()
    def fit(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"]:
        """Return the reward of each picture; 0 is the mean of the pictures that people compared, 1 a deviation."""
        device = self.vision.device
        tokens = self.tokenizer(text, padding="max_length", truncation=True, max_length=TOKENS, return_tensors="pt").to(
            device
        )
        rewards = []
        for part in np.array_split(pictures, -(-len(pictures) // BATCH)):
            seen = self.vision(clip_pixels(as_rgb(part, device), self.image_size)).last_hidden_state
            states = self.text(
                input_ids=tokens.input_ids.expand(len(part), -1),
                attention_mask=tokens.attention_mask.expand(len(part), -1),
                encoder_hidden_states=seen,
                encoder_attention_mask=torch.ones(seen.shape[:2], dtype=torch.long, device=device),
            ).last_hidden_state
            rewards.append(self.head(states[:, 0])[:, 0])
        return ((torch.cat(rewards) - MEAN) / STD).cpu().numpy()


def _refuse_pickle(folder: Path) -> None:
    pickles = sorted(path.name for path in folder.glob("*.pt"))
    if pickles and not (folder / WEIGHTS).is_file():
        message = f"expected {WEIGHTS} in {folder}, got a pickle, which can run code: {', '.join(pickles)}"
        raise LimbeckError("E_MODEL_UNSAFE", message, "convert it as docs/evaluation.md says, where you trust it")


def _within(tensors: Tensors, prefix: str) -> dict[str, Tensor]:
    found = {key.removeprefix(prefix): tensor.float() for key, tensor in tensors.items() if key.startswith(prefix)}
    if not found:
        raise ValueError(f"it has no {prefix}*")
    return found


def _vision(tensors: Tensors) -> Any:
    renamed = {_renamed(key): tensor for key, tensor in tensors.items()}
    width, _, patch, _ = renamed["embeddings.patch_embedding.weight"].shape
    places = renamed["embeddings.position_embedding"].shape[1] - 1
    config = BlipVisionConfig(
        hidden_size=width,
        intermediate_size=renamed["encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=_depth(renamed, "encoder.layers."),
        num_attention_heads=width // HEAD_WIDTH,
        image_size=patch * round(places**0.5),
        patch_size=patch,
        layer_norm_eps=VISION_EPS,
    )
    return _filled(BlipVisionModel(config), renamed)


def _renamed(key: str) -> str:
    for pattern, replacement in VISION_NAMES:
        key = re.sub(pattern, replacement, key)
    return key


def _text(tensors: Tensors) -> Any:
    words, width = tensors["embeddings.word_embeddings.weight"].shape
    config = BlipTextConfig(
        vocab_size=words,
        hidden_size=width,
        encoder_hidden_size=tensors["encoder.layer.0.crossattention.self.key.weight"].shape[1],
        intermediate_size=tensors["encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=_depth(tensors, "encoder.layer."),
        num_attention_heads=width // HEAD_WIDTH,
        max_position_embeddings=tensors["embeddings.position_embeddings.weight"].shape[0],
        bos_token_id=None,
        sep_token_id=None,
        layer_norm_eps=TEXT_EPS,
    )
    return _filled(BlipTextModel(config, add_pooling_layer=False), tensors)


def _head(tensors: Tensors) -> nn.Sequential:
    """Return the linear layers; between some of them the published module has dropouts, which number them 0, 2, ..."""
    numbers = sorted({int(key.split(".")[0]) for key in tensors})
    shapes = [tensors[f"{number}.weight"].shape for number in numbers]
    layers = nn.Sequential(*(nn.Linear(width, out_width) for out_width, width in shapes))
    places = {str(number): str(place) for place, number in enumerate(numbers)}
    return _filled(layers, {re.sub(r"^\d+", lambda found: places[found[0]], key): t for key, t in tensors.items()})


def _depth(tensors: Tensors, prefix: str) -> int:
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in tensors if key.startswith(prefix))


def _filled(module: Any, tensors: Tensors) -> Any:
    """Return the module with its weights; position numbers, which older files carry along, are not weights."""
    report = module.load_state_dict(
        {key: tensor for key, tensor in tensors.items() if "position_ids" not in key}, False
    )
    wrong = [key for key in (*report.missing_keys, *report.unexpected_keys) if "position_ids" not in key]
    if wrong:
        raise ValueError(f"its {type(module).__name__} has {len(wrong)} other keys than expected, such as {wrong[0]}")
    return module
