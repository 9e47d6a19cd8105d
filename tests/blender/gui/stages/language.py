# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Inside a windowed Blender: its interface in another language."""

import bpy


def speak(locale: str) -> None:
    """Let the whole interface be in a language that this Blender has."""
    view = bpy.context.preferences.view
    view.language = locale
    view.use_translate_interface = view.use_translate_tooltips = True


def said(text: str, context: str = "*") -> str:
    """Return what the interface says for an English text."""
    return bpy.app.translations.pgettext_iface(text, context)


def described(text: str) -> str:
    """Return what a tooltip says for an English text."""
    return bpy.app.translations.pgettext_tip(text)
