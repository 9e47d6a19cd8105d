# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the embedded judge understands of a prompt: object, colour and pattern. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from limbeck.errors import LimbeckError
from limbeck.evaluation.protocol import EMBEDDED
from limbeck.playset.captions import vocabulary
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS

NO_COLOR = -1


@dataclass(frozen=True)
class Words:
    """Indices into ``NOUNS``, ``COLOR_WORDS`` (NO_COLOR where none is named) and ``PATTERNS`` (plain goes unsaid)."""

    noun: int
    color: int
    pattern: int

    @property
    def names_pattern(self) -> bool:
        """Whether the prompt says a pattern; the first one is plain."""
        return self.pattern > 0

    def __str__(self) -> str:
        color = COLOR_WORDS[self.color] if self.color != NO_COLOR else "any colour"
        return f"{PATTERNS[self.pattern]} {color} {NOUNS[self.noun]}"


def read_words(prompt: str) -> Words | None:
    """Return the first object, colour and pattern that a prompt names; None where it names no object."""
    noun = _first(prompt, NOUNS)
    if noun is None:
        return None
    color, pattern = _first(prompt, COLOR_WORDS), _first(prompt, PATTERNS)
    return Words(noun, NO_COLOR if color is None else color, pattern or 0)


def require_readable(source: str, prompts: Sequence[str]) -> list[str]:
    """Refuse prompts that a judge cannot judge; return warnings of words that it will not look at.

    Raises:
        LimbeckError: E_PROMPT_WORDS if the embedded judge knows no object of a prompt.
    """
    if source != EMBEDDED:
        return []
    return [warning for prompt in prompts if (warning := require_known_object(prompt))]


def require_known_object(prompt: str) -> str:
    """Return a warning that names the words that are not judged, or "".

    Raises:
        LimbeckError: E_PROMPT_WORDS if the prompt names no object that the embedded judge knows.
    """
    if read_words(prompt) is None:
        raise LimbeckError(
            "E_PROMPT_WORDS",
            f"expected an object that the embedded judge knows ({', '.join(NOUNS)}), got {prompt!r}",
            "leave the prompt out, or judge with --judge clip-vit-b-32",
        )
    known = {word for phrase in vocabulary() for word in _words(phrase)}
    unknown = [word for word in dict.fromkeys(_words(prompt)) if word not in known]
    return f"of {prompt!r} the embedded judge does not look at: {', '.join(unknown)}" if unknown else ""


def _first(prompt: str, phrases: Sequence[str]) -> int | None:
    text = f" {' '.join(_words(prompt))} "
    found = [(text.find(f" {phrase} "), index) for index, phrase in enumerate(phrases)]
    there = [(at, index) for at, index in found if at >= 0]
    return min(there)[1] if there else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
