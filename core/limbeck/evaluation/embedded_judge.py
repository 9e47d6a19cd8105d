# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The embedded family's classifier and front detector as the judge of assets. It knows toys, colours and patterns only.

Its figures are not CLIP's and have names of their own; retrieval by it is a choice among words, not sentences.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from limbeck.evaluation.judge import Pictures, as_rgb
from limbeck.evaluation.loading import Judges
from limbeck.evaluation.words import NO_COLOR, Words, read_words
from limbeck.playset.things import COLOR_WORDS, FRONTED, NOUNS

BATCH = 256


@dataclass(frozen=True)
class _Answers:
    """Log-probabilities by picture."""

    noun: Float[ndarray, "pictures nouns"]
    color: Float[ndarray, "pictures colors"]
    pattern: Float[ndarray, "pictures patterns"]


@dataclass(frozen=True)
class EmbeddedJudge:
    """Judges by the probability that the classifier gives to the words of a prompt."""

    judges: Judges
    device: torch.device
    picture_size: int = 128

    @classmethod
    def load(cls, device: torch.device) -> EmbeddedJudge:
        """Load the trained networks.

        Raises:
            LimbeckError: E_MODEL_INCOMPLETE.
        """
        return cls(Judges.load(device=device), device)

    def fit(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"]:
        """Return the probability that each picture shows the words that the text names."""
        return np.exp(_log_probability(self._answers(pictures), _known(text)))

    def similarities(self, pictures: Pictures, texts: Sequence[str]) -> Float[ndarray, "pictures texts"]:
        """Return log-probabilities; a colour that is not named counts as a guess, a pattern as plain.

        Otherwise the text that says least would be the most probable one.
        """
        answers = self._answers(pictures)
        return np.stack([_log_similarity(answers, _known(text)) for text in texts], 1)

    def scores(self, pictures: Pictures, text: str) -> dict[str, float]:
        """Return shares of pictures judged to show the object, colour and pattern named, and the mean probability."""
        answers, words = self._answers(pictures), _known(text)
        shares = {"object": (answers.noun.argmax(1) == words.noun).mean()}
        if words.color != NO_COLOR:
            shares["color"] = (answers.color.argmax(1) == words.color).mean()
        if words.names_pattern:
            shares["pattern"] = (answers.pattern.argmax(1) == words.pattern).mean()
        shares["word_probability"] = np.exp(_log_probability(answers, words)).mean()
        return {name: float(share) for name, share in shares.items()}

    def front_probability(self, pictures: Pictures, text: str) -> Float[ndarray, " pictures"] | None:
        """Return the detector's mass within 45 degrees of the front, for objects that have one."""
        if NOUNS[_known(text).noun] not in FRONTED:
            return None
        with torch.no_grad():
            parts = as_rgb(pictures, self.device).split(BATCH)
            return torch.cat([self.judges.front.front_probability(part) for part in parts]).cpu().numpy()

    def meaning(self, text: str) -> str:
        """Return object, colour and pattern."""
        return str(_known(text))

    @torch.no_grad()
    def _answers(self, pictures: Pictures) -> _Answers:
        answers = [self.judges.classifier(part) for part in as_rgb(pictures, self.device).split(BATCH)]
        noun, color, pattern = (
            torch.cat([getattr(answer, name) for answer in answers]).log_softmax(1).cpu().numpy()
            for name in ("noun", "color", "pattern")
        )
        return _Answers(noun, color, pattern)


def _known(text: str) -> Words:
    words = read_words(text)
    if words is None:
        raise ValueError(f"expected a text that names an object of the playset, got {text!r}")
    return words


def _log_probability(answers: _Answers, words: Words) -> Float[ndarray, " pictures"]:
    log_probability = answers.noun[:, words.noun]
    if words.color != NO_COLOR:
        log_probability = log_probability + answers.color[:, words.color]
    return log_probability + answers.pattern[:, words.pattern] if words.names_pattern else log_probability


def _log_similarity(answers: _Answers, words: Words) -> Float[ndarray, " pictures"]:
    guess = -math.log(len(COLOR_WORDS))
    color = guess if words.color == NO_COLOR else answers.color[:, words.color]
    return answers.noun[:, words.noun] + color + answers.pattern[:, words.pattern]
