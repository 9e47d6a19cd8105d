# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every text of the interface has its translation, and keeps its braces in it; without Blender."""

import json
import re
import string

import pytest

from blender.addon import FOLDER
from blender.interface_texts import interface_texts

TEXTS = interface_texts(FOLDER)
LANGUAGES = sorted(path.stem for path in (FOLDER / "languages").glob("*.json"))


def translations(language: str) -> dict[str, str]:
    return json.loads((FOLDER / "languages" / f"{language}.json").read_text("utf-8"))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_texts_are_found_wherever_they_stand() -> None:
    expected = {
        "Generate",  # an operator's label
        "Take a new seed whenever you generate",  # a property's description
        "Draft",  # an item of an enumeration
        "Waiting for the server",  # a phase
        "Nobody answers at the server's address",  # a state of the link
        "Allow more faces",  # a remedy
        "Forming, step {step} of {steps}",  # put together
        "What to avoid",  # a placeholder
        "Write a prompt first",  # a reason
    }
    assert expected <= set(TEXTS)


def test_there_are_two_languages() -> None:
    assert LANGUAGES == ["de", "fr"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_language_is_complete(language: str) -> None:
    missing = {text: place for text, place in TEXTS.items() if not translations(language).get(text, "").strip()}
    assert not missing


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_translation_is_left_over(language: str) -> None:
    assert set(translations(language)) - set(TEXTS) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_translation_keeps_what_goes_into_braces(language: str) -> None:
    assert not [text for text, said in translations(language).items() if fields(text) != fields(said)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translation_is_another_text_or_a_word_that_both_share(language: str) -> None:
    same = [text for text, said in translations(language).items() if text == said]
    words = [re.sub(r"\{\w+\}", "", text).strip() for text in same]
    assert all(len(word) <= 12 for word in words), same


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_end_without_a_full_stop(language: str) -> None:
    assert not [said for said in translations(language).values() if said.endswith((".", "!"))]
