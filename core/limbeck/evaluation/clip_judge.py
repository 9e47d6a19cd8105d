# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""CLIP as the judge of assets: CLIP score (arXiv:2104.08718) and R-Precision as text-to-3D papers report them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize
from transformers import CLIPModel

from limbeck.evaluation.judge import Pictures, as_rgb
from limbeck.playset.captions import VIEW_WORDS
from limbeck.priors.files import load_module, reported_as_incomplete
from limbeck.priors.image_encoder import clip_pixels
from limbeck.priors.text_encoder import load_tokenizer

BATCH = 32
NEEDS = "a whole CLIP model as transformers saves it: config.json, weights, vocab.json, merges.txt"


@dataclass(frozen=True)
class ClipJudge:
    """Judges by the cosine of picture and text.

    Attributes:
        model, tokenizer: of transformers.
        picture_size: a little more than CLIP looks at, as resizing by it is part of the measure.
    """

    model: Any
    tokenizer: Any
    picture_size: int = 256

    @classmethod
    def load(cls, folder: Path, device: torch.device) -> ClipJudge:
        """Load a CLIP model of any size from a folder.

        Raises:
            LimbeckError: E_MODEL_INCOMPLETE.
        """
        with reported_as_incomplete("CLIP model", folder, NEEDS):
            model = load_module(CLIPModel, folder, device)
            return cls(model, load_tokenizer(folder, model.config.text_config.vocab_size, "."))

    def fit(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"]:
        """Return the cosine of each picture and the text."""
        return self.similarities(pictures, [text])[:, 0]

    def similarities(self, pictures: Pictures, texts: Sequence[str]) -> Float[ndarray, "pictures texts"]:
        """Return cosines."""
        return (self._embed_pictures(pictures) @ self._embed_texts(texts).T).cpu().numpy()

    def scores(self, pictures: Pictures, text: str) -> dict[str, float]:
        """Return the CLIP score: 100 times the mean cosine of the pictures and the text."""
        return {"clip_score": 100 * float(self.fit(pictures, text).mean())}

    def front_probability(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"]:
        """Return how CLIP divides a picture among "TEXT, front view", "side view" and "back view".

        A weak witness: CLIP hardly tells an object's back from its front (arXiv:2406.16695 found no use in it).
        """
        cosines = self.similarities(pictures, [f"{text}, {view}" for view in VIEW_WORDS])
        scale = float(self.model.logit_scale.exp())
        return torch.from_numpy(scale * cosines).softmax(1)[:, 0].numpy()

    def meaning(self, text: str) -> str:
        """Return the text."""
        return " ".join(text.lower().split())

    @torch.no_grad()
    def _embed_pictures(self, pictures: Pictures) -> Float[Tensor, "pictures dim"]:
        size = self.model.config.vision_config.image_size
        parts = [
            self.model.visual_projection(
                self.model.vision_model(clip_pixels(as_rgb(part, self.model.device), size)).pooler_output
            )
            for part in np.array_split(pictures, -(-len(pictures) // BATCH))
        ]
        return normalize(torch.cat(parts), dim=1)

    @torch.no_grad()
    def _embed_texts(self, texts: Sequence[str]) -> Float[Tensor, "texts dim"]:
        tokens = self.model.config.text_config.max_position_embeddings
        padded = self.tokenizer(
            list(texts), padding="max_length", max_length=tokens, truncation=True, return_tensors="pt"
        ).to(self.model.device)
        states = self.model.text_model(input_ids=padded.input_ids, attention_mask=padded.attention_mask)
        return normalize(self.model.text_projection(states.pooler_output), dim=1)
