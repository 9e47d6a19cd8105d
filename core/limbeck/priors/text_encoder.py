# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Text encoders with their tokenizers: CLIP (Stable Diffusion), two of it (SDXL), and T5 (DeepFloyd IF)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from limbeck.priors.files import load_module

T5_TOKENS = 77
"""What IF was trained on; T5 itself has no limit."""


@runtime_checkable
class TextReader(Protocol):
    """What makes embeddings of prompts."""

    @property
    def trouble(self) -> str:
        """Why embeddings could not be kept for later runs; "" if all is well."""
        ...

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        ...

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return embeddings, one row per prompt."""
        ...


@dataclass(frozen=True)
class Window:
    """A tokenizer, and how many tokens a prompt is padded or cut to; known without an encoder's weights."""

    tokenizer: Any
    tokens: int

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the window."""
        words = prompt.split(" ")
        while len(words) > 1 and len(self.tokenizer(" ".join(words) + suffix).input_ids) > self.tokens:
            words.pop()
        return " ".join(words)

    def read(self, prompts: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """Return token ids and attention mask, both [prompts, tokens]."""
        padded = self.tokenizer(
            list(prompts), padding="max_length", max_length=self.tokens, truncation=True, return_tensors="pt"
        )
        return padded.input_ids.to(device), padded.attention_mask.to(device)


@dataclass(frozen=True)
class TextEncoder:
    """A text encoder of transformers with its tokenizer."""

    window: Window
    model: Any

    @property
    def trouble(self) -> str:
        """Nothing: an encoder that stays loaded keeps no embeddings."""
        return ""

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        return self.window.fit(prompt, suffix)

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the last hidden states of the padded, truncated prompts; T5 does not look at the padding."""
        ids, mask = self.window.read(prompts, self.model.device)
        masked = {"attention_mask": mask} if self.model.config.model_type == "t5" else {}
        return self.model(ids, **masked).last_hidden_state.float()


@dataclass(frozen=True)
class DoubleTextEncoder:
    """SDXL's two encoders (Podell et al., arXiv:2307.01952, section 2.1): their penultimate states side by side.

    The pooled embedding of the second rides along as one more token, filled up with zeros: what mixes or weighs
    embeddings then does the same to it. ``asking.ask`` takes it off again.
    """

    window: Window
    model: Any
    second_window: Window
    second_model: Any

    @property
    def trouble(self) -> str:
        """Nothing: an encoder that stays loaded keeps no embeddings."""
        return ""

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoders' window."""
        return self.window.fit(prompt, suffix)

    @torch.no_grad()
    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return the states of both encoders, and the pooled embedding as the last token."""
        ids, second_ids = (window.read(prompts, self.model.device)[0] for window in (self.window, self.second_window))
        first = self.model(ids, output_hidden_states=True)
        second = self.second_model(second_ids, output_hidden_states=True)
        states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1).float()
        pooled = second.text_embeds.float()
        filled = torch.nn.functional.pad(pooled, (0, states.shape[2] - pooled.shape[1]))
        return torch.cat([states, filled[:, None]], 1)


def load_window(folder: Path) -> Window:
    """Load the tokenizer of a model folder's (first) text encoder.

    A tokenizer from a wrong folder loads silently empty, so its size is checked.

    Raises:
        OSError, ValueError: if a file is missing, or if tokenizer and encoder do not belong together.
    """
    if _is_t5(folder):
        return Window(_load_t5_tokenizer(folder), T5_TOKENS)
    config = CLIPTextConfig.from_pretrained(folder / "text_encoder", local_files_only=True)
    return Window(load_tokenizer(folder, config.vocab_size), config.max_position_embeddings)


def load_whole(
    folder: Path, device: torch.device, dtype: torch.dtype = torch.float32
) -> TextEncoder | DoubleTextEncoder:
    """Load the text encoder of a model folder, whichever it is.

    Raises:
        OSError, ValueError: if a file is missing or truncated, lacks weights, or if the two do not belong together.
    """
    window = load_window(folder)
    kind = T5EncoderModel if _is_t5(folder) else CLIPTextModel
    model = load_module(kind, folder / "text_encoder", device, dtype)
    if not (folder / "text_encoder_2").is_dir():
        return TextEncoder(window, model)
    second = load_module(CLIPTextModelWithProjection, folder / "text_encoder_2", device, dtype)
    tokenizer = load_tokenizer(folder, second.config.vocab_size, "tokenizer_2")
    return DoubleTextEncoder(window, model, Window(tokenizer, window.tokens), second)


def load_tokenizer(folder: Path, vocab_size: int, part: str = "tokenizer") -> Any:
    """Load the tokenizer of a CLIP text encoder with a vocabulary of this size.

    Raises:
        OSError, ValueError: if it is missing, or of another size.
    """
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder / part, local_files_only=True)
    if len(tokenizer) != vocab_size:
        raise ValueError(f"its {part} has {len(tokenizer)} tokens, its text encoder {vocab_size}")
    return tokenizer


def _is_t5(folder: Path) -> bool:
    config = json.loads((folder / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    return config.get("model_type") == "t5"


def _load_t5_tokenizer(folder: Path) -> Any:
    """Load T5's tokenizer; its vocabulary is a little smaller than the encoder's, which is padded.

    Raises:
        OSError, ValueError: if it is missing, or has tokens that the encoder does not know.
    """
    vocab_size = T5Config.from_pretrained(folder / "text_encoder", local_files_only=True).vocab_size
    tokenizer: Any = T5Tokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    if not 100 < len(tokenizer) <= vocab_size:
        raise ValueError(f"its tokenizer has {len(tokenizer)} tokens, its text encoder {vocab_size}")
    return tokenizer
