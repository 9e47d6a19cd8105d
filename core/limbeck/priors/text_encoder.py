# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Text encoders with their tokenizers: CLIP (Stable Diffusion), two of it (SDXL), and T5 (DeepFloyd IF)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer, T5EncoderModel, T5Tokenizer

from limbeck.priors.files import load_module

T5_TOKENS = 77
"""What IF was trained on; T5 itself has no limit."""


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder with its tokenizer.

    Attributes:
        tokenizer, model: of transformers.
        tokens: how many a prompt is padded or cut to.
    """

    tokenizer: Any
    model: Any
    tokens: int

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        words = prompt.split(" ")
        while len(words) > 1 and self._length(" ".join(words) + suffix) > self.tokens:
            words.pop()
        return " ".join(words)

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the last hidden states of the padded, truncated prompts."""
        padded = self._padded(prompts)
        mask = {"attention_mask": padded.attention_mask.to(self.model.device)} if self._is_t5 else {}
        with torch.no_grad():
            return self.model(padded.input_ids.to(self.model.device), **mask).last_hidden_state.float()

    @property
    def _is_t5(self) -> bool:
        return self.model.config.model_type == "t5"

    def _padded(self, prompts: Sequence[str]) -> Any:
        return self.tokenizer(
            list(prompts), padding="max_length", max_length=self.tokens, truncation=True, return_tensors="pt"
        )

    def _length(self, text: str) -> int:
        return len(self.tokenizer(text).input_ids)


@dataclass(frozen=True)
class DoubleTextEncoder(TextEncoder):
    """SDXL's two encoders (Podell et al., arXiv:2307.01952, section 2.1): their penultimate states side by side.

    The pooled embedding of the second rides along as one more token, filled up with zeros: what mixes or weighs
    embeddings then does the same to it. ``asking.ask`` takes it off again.
    """

    second_tokenizer: Any
    second_model: Any

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the states of both encoders, and the pooled embedding as the last token."""
        with torch.no_grad():
            first = self.model(self._padded(prompts).input_ids.to(self.model.device), output_hidden_states=True)
            padded = self.second_tokenizer(
                list(prompts), padding="max_length", max_length=self.tokens, truncation=True, return_tensors="pt"
            )
            second = self.second_model(padded.input_ids.to(self.model.device), output_hidden_states=True)
        states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1).float()
        pooled = second.text_embeds.float()
        filled = torch.nn.functional.pad(pooled, (0, states.shape[2] - pooled.shape[1]))
        return torch.cat([states, filled[:, None]], 1)


def load_text_encoder(folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> TextEncoder:
    """Load the text encoder of a model folder, whichever it is.

    A tokenizer from a wrong folder loads silently empty, so its size is checked.

    Raises:
        OSError, ValueError: if a file is missing or truncated, lacks weights, or if the two do not belong together.
    """
    config = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") == "t5":
        model = load_module(T5EncoderModel, folder / "text_encoder", device, dtype)
        return TextEncoder(_load_t5_tokenizer(folder, model), model, T5_TOKENS)
    model = load_module(CLIPTextModel, folder / "text_encoder", device, dtype)
    tokenizer, tokens = load_tokenizer(folder, model), model.config.max_position_embeddings
    if not (folder / "text_encoder_2").is_dir():
        return TextEncoder(tokenizer, model, tokens)
    second = load_module(CLIPTextModelWithProjection, folder / "text_encoder_2", device, dtype)
    return DoubleTextEncoder(tokenizer, model, tokens, load_tokenizer(folder, second, "tokenizer_2"), second)


def load_tokenizer(folder: Path, model: Any, part: str = "tokenizer") -> Any:
    """Load the tokenizer of a CLIP text encoder.

    Raises:
        OSError, ValueError: if it is missing, or of another size than the encoder's vocabulary.
    """
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder / part, local_files_only=True)
    if len(tokenizer) != model.config.vocab_size:
        raise ValueError(f"its {part} has {len(tokenizer)} tokens, its text encoder {model.config.vocab_size}")
    return tokenizer


def _load_t5_tokenizer(folder: Path, model: Any) -> Any:
    """Load T5's tokenizer; its vocabulary is a little smaller than the encoder's, which is padded.

    Raises:
        OSError, ValueError: if it is missing, or has tokens that the encoder does not know.
    """
    tokenizer: Any = T5Tokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    if not 100 < len(tokenizer) <= model.config.vocab_size:
        raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its text encoder {model.config.vocab_size}")
    return tokenizer
