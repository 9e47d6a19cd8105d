# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What whoever iterates a run may want of it on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from limbeck.shelf import Shelf


def _no_checkpoint(_step: int, _steps: int) -> bool:
    return False


def _no_preview(_step: int, _steps: int) -> bool:
    return False


def _no_finish() -> bool:
    return False


def _unseen(_report: Any) -> None:
    return


@dataclass(frozen=True)
class Controls:
    """What is wanted of a run.

    Attributes:
        wants_checkpoint: asked after every step, with the steps done and the steps of all; if true, the run yields a
            ``Checkpoint``. None of it changes the result.
        wants_finish: asked before every step but the first; if true, the asset is made of what there is.
        shelf: where loaded models come from and stay.
        wants_preview: asked after every step before ``wants_checkpoint``; if true, the run yields a ``Preview`` of that
            step besides its evenly spread ones, unless nothing is there to be seen. It does not change the result.
        sees_step: told the ``StepReport`` of every step, before anything else is asked.
    """

    wants_checkpoint: Callable[[int, int], bool] = _no_checkpoint
    wants_finish: Callable[[], bool] = _no_finish
    shelf: Shelf = field(default_factory=Shelf)
    wants_preview: Callable[[int, int], bool] = _no_preview
    sees_step: Callable[[Any], None] = _unseen
