# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The panel in German and French, in a Blender that has these languages."""

import pytest

from blender.gui.desk import Blender

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


@pytest.mark.parametrize(
    ("locale", "generate", "ready", "tooltip"),
    [
        ("de_DE", "Erzeugen", "Bereit", "Nimmt einen anderen Startwert, für eine andere Variante desselben Prompts"),
        ("fr_FR", "Générer", "Prêt", "Prendre une autre graine, pour une autre variante de la même invite"),
    ],
)
def test_interface_speaks_the_artists_language(
    blender: Blender, locale: str, generate: str, ready: str, tooltip: str
) -> None:
    blender.call("language.speak", locale=locale)
    assert blender.call("language.said", text="Generate", context="Operator") == generate
    assert blender.call("language.said", text="Ready") == ready
    assert (
        blender.call("language.described", text="Take another seed, for another variation of the same prompt")
        == tooltip
    )
    blender.call("screen.open_sidebar")
    blender.desk.picture(f"language-{locale}", is_for_docs=False)
