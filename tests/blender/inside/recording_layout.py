# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A layout that writes down what a panel draws."""

from typing import Any

ITEMS = {"label", "prop", "operator", "progress", "menu"}


class RecordingLayout:
    """Takes every call of UILayout; `items` lists the labels, properties, operators and bars in order."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []

    def __getattr__(self, name: str) -> Any:
        def record(*arguments: Any, **options: Any) -> "RecordingLayout":
            if name in ITEMS:
                positional = arguments[-1] if arguments else ""
                is_named = name in ("prop", "operator", "menu")
                self.items.append((name, positional if is_named else options.get("text", "")))
            return self

        return record

    def texts(self, kind: str) -> list[str]:
        return [text for item, text in self.items if item == kind]


class DrawnPanel:
    """Stands for a panel that Blender would make to draw it."""

    def __init__(self) -> None:
        self.layout = RecordingLayout()
