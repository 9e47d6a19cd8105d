# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Large text encoders: in memory only while they read a prompt that was never read before."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.priors.embedding_cache import EmbeddingCache, embedding_key, embeddings_folder, encoder_identity
from limbeck.priors.files import reported_as_incomplete
from limbeck.priors.precision import LARGE_BYTES, weight_bytes
from limbeck.priors.text_encoder import TextReader, Window, load_whole, load_window

ENCODERS = ("text_encoder", "text_encoder_2")


@dataclass(frozen=True)
class TransientTextEncoder:
    """A text encoder that is loaded to read and let go of afterwards; what it has read is kept on the disk.

    It reads one prompt at a time: rows of a batch differ in their last bits with the batch's size, and an asset must
    not depend on which of its prompts were read before.

    Attributes:
        window: its tokenizer.
        load: returns the encoder itself.
        cache: of what was read.
        identity: of the encoder, in the cache's keys.
        device: where embeddings are wanted.
    """

    window: Window
    load: Callable[[], TextReader]
    cache: EmbeddingCache
    identity: str
    device: torch.device

    @property
    def trouble(self) -> str:
        """Why embeddings could not be kept for later runs; "" if all is well."""
        return self.cache.trouble

    def fit(self, prompt: str, suffix: str) -> str:
        """Return the prompt without the last words that would push ``suffix`` out of the encoder's window."""
        return self.window.fit(prompt, suffix)

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts tokens width"]:
        """Return embeddings, one row per prompt.

        Raises:
            LimbeckError: E_MODEL_INCOMPLETE if the encoder is needed and cannot be loaded.
        """
        keys = {prompt: embedding_key(self.identity, prompt) for prompt in prompts}
        found = {prompt: self.cache.read(key) for prompt, key in keys.items()}
        read = self._read([prompt for prompt, embedding in found.items() if embedding is None])
        for prompt, embedding in read.items():
            self.cache.write(keys[prompt], embedding)
        known = found | read
        return torch.stack([embedding for prompt in prompts if (embedding := known[prompt]) is not None]).to(
            self.device
        )

    def _read(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        """Return embeddings on the CPU, by prompt; without prompts the encoder is not loaded."""
        if not prompts:
            return {}
        encoder = self.load()
        read = {prompt: encoder([prompt])[0].cpu() for prompt in prompts}
        del encoder
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return read


def load_text_encoder(folder: Path, device: torch.device, dtype: torch.dtype = torch.float32) -> TextReader:
    """Return the text encoder of a model folder: a small one loaded, a large one as what loads it when it must read.

    Raises:
        OSError, ValueError: if a file is missing or truncated, lacks weights, or if the two do not belong together;
            a large encoder's own weights are looked at only when they are needed.
    """
    if sum(weight_bytes(folder / part) for part in ENCODERS) < LARGE_BYTES:
        return load_whole(folder, device, dtype)

    def load() -> TextReader:
        with reported_as_incomplete("text encoder", folder, "text_encoder and tokenizer"):
            return load_whole(folder, device, dtype)

    identity = encoder_identity(folder, dtype, device)
    return TransientTextEncoder(load_window(folder), load, EmbeddingCache(embeddings_folder()), identity, device)
