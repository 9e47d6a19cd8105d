# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Models that stay loaded from one run of a process to the next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Shelf:
    """Loaded models by what they were loaded from. A run trains copies alone; it may compile blocks in place."""

    _models: dict[Hashable, Any] = field(default_factory=dict)

    def keep_only(self, keys: Collection[Hashable]) -> None:
        """Forget all models but these, before a run loads what it lacks: memory holds the models of one run."""
        self._models = {key: model for key, model in self._models.items() if key in keys}

    def get(self, key: Hashable, load: Callable[[], Any]) -> Any:
        """Return a model, and load it if it is not there."""
        if key not in self._models:
            self._models[key] = load()
        return self._models[key]


def newest_change_ns(folder: Path) -> int:
    """Return when a file of the folder was last changed, so that new weights are not taken for the old ones.

    Args:
        folder: of a model, or one weight file.
    """
    files = (folder,) if folder.is_file() else folder.rglob("*")
    return max((path.stat().st_mtime_ns for path in files if path.is_file()), default=0)
