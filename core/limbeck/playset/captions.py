# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the priors' captions say."""

from __future__ import annotations

from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS

TEMPLATES: tuple[str, ...] = ("{}", "a photo of {}", "a 3d render of {}", "a picture of {}", "a toy: {}")
VIEW_WORDS: tuple[str, ...] = ("front view", "side view", "back view")
FRONT_SECTOR_DEG = 45.0
"""Azimuths up to this far from the front are "front view", as far from the back "back view", all others "side view"."""


def caption(noun: str, color: str, *, pattern: str = "plain", view: str = "", template: int = 0) -> str:
    """Return a caption such as "a photo of a striped red mug, side view"; plain patterns and empty views go unsaid."""
    words = [pattern] * (pattern != "plain") + [color, noun]
    article = "an" if words[0][0] in "aeiou" else "a"
    text = TEMPLATES[template].format(" ".join([article, *words]))
    return f"{text}, {view}" if view else text


def view_word(azimuth_deg: float) -> str:
    """Return which view a camera at this azimuth has (0 is the front)."""
    off_front = abs((azimuth_deg + 180.0) % 360.0 - 180.0)
    if off_front <= FRONT_SECTOR_DEG:
        return VIEW_WORDS[0]
    return VIEW_WORDS[2] if off_front >= 180.0 - FRONT_SECTOR_DEG else VIEW_WORDS[1]


def vocabulary() -> tuple[str, ...]:
    """Return every word and sign of the captions, and a few small words that people type, sorted."""
    phrases = [*NOUNS, *COLOR_WORDS, *PATTERNS, *VIEW_WORDS, *TEMPLATES, "a an , the on and with in top"]
    words = " ".join(phrases).replace("{}", " ").replace(":", " : ").split()
    return tuple(sorted(set(words)))
