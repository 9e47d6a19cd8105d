# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP text encoders with their tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from limbeck.priors.files import load_module


@dataclass(frozen=True)
class TextEncoder:
    """A CLIP text encoder with its tokenizer."""

    tokenizer: Any
    model: Any

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        words = prompt.split(" ")
        while len(words) > 1 and self._length(" ".join(words) + suffix) > self.model.config.max_position_embeddings:
            words.pop()
        return " ".join(words)

    def _length(self, text: str) -> int:
        return len(self.tokenizer(text).input_ids)

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the last hidden states of the padded, truncated prompts."""
        length = self.model.config.max_position_embeddings
        tokens = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        )
        with torch.no_grad():
            return self.model(tokens.input_ids.to(self.model.device)).last_hidden_state


def load_text_encoder(folder: Path, device: torch.device) -> TextEncoder:
    """Load tokenizer and text encoder; a tokenizer from a wrong folder loads silently empty, so its size is checked.

    Raises:
        OSError, ValueError: if a file is missing or truncated, lacks weights, or if the two do not belong together.
    """
    model = load_module(CLIPTextModel, folder / "text_encoder", device)
    return TextEncoder(load_tokenizer(folder, model), model)


def load_tokenizer(folder: Path, model: Any) -> Any:
    """Load the tokenizer of a text encoder.

    Raises:
        OSError, ValueError: if it is missing, or of another size than the encoder's vocabulary.
    """
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    if len(tokenizer) != model.config.vocab_size:
        raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its text encoder {model.config.vocab_size}")
    return tokenizer
