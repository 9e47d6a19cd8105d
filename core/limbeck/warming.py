# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What is compiled before the first step: the rasteriser, and where it is worth it the models' blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from limbeck.config import Recipe
from limbeck.events import Event, Progress, Warned
from limbeck.models import Cast
from limbeck.priors.compiling import CompileChoice, compile_for, compile_models
from limbeck.representations.rasterize import is_compiled, warm_up


def warmed_up(choice: CompileChoice, recipe: Recipe, models: Cast, device: torch.device) -> Iterator[Event]:
    """Compile, saying what takes long and warning of what could not be done.

    Args:
        choice: as ``GenerationSettings.compile`` says.
        recipe: of the run.
        models: those of the run; their blocks are compiled in place.
        device: of the run.
    """
    if not is_compiled(device):
        yield Progress("compiling", 0, 0, "the rasteriser; this happens once")
    warm_up(device)
    speakers = tuple(models.speakers.values())
    if compile_for(choice, device, recipe.all_steps, speakers):
        yield Progress("compiling", 0, 0, "the models' blocks; faster where an earlier run has done it")
        for failure in compile_models(speakers):
            yield Warned("W_NOT_COMPILED", failure)
