# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of the interface in the artist's language. Outside Blender they stay as they are.

Blender translates static labels by itself; text that is put together is translated here, before names and numbers go
into its braces: ``translated("Step {step}").format(step=3)``.
"""

import sys
from collections.abc import Callable

_bpy = sys.modules.get("bpy")  # not an import: modules that know no bpy must be testable without it
CONTEXT = "Limbeck"
"""Of labels whose English word Blender has a translation for that means something else: its own goes before ours."""
translated: Callable[[str], str] = _bpy.app.translations.pgettext_iface if _bpy is not None else str
"""Return a text in the language of Blender's interface, or as it is where that language has none."""
