# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a step knows beyond latents: where it is in the run, from where it looks, and what it saw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.guide import Guide
from limbeck.distillation.requests import Eps
from limbeck.representations.representation import Rendering


@dataclass(frozen=True)
class StepContext:
    """What the parts of a term get besides latents and predictions.

    Attributes:
        progress: how far the run is, 0 to 1.
        cameras: of the term's views.
        rendering: of the same views; depth carries its gradient.
        generator: CPU generator; every draw of the step comes from it.
        points: on the representation, detached; None where no part asks for them.
        point_sigmas: the points' own mean standard deviation in world units.
        radius: of the ball that holds the object, in world units.
        pairs: rows of neighbouring views (``Recipe.neighbours_deg``); None without neighbours.
        guide: the shape that the run starts from; None where no part looks at it.
        negative: share of the negative prompt in the term's unconditional branch, which its critics take over.
        empty_eps: the term's prior with the empty prompt, for noise that is a path of the model itself.
        host_t: the views' timesteps on the CPU, where they were drawn and looking at them waits for no device.
    """

    progress: float
    cameras: Cameras
    rendering: Rendering
    generator: torch.Generator
    points: Float[Tensor, "points 3"] | None = None
    point_sigmas: Float[Tensor, " points"] | None = None
    radius: float = 1.0
    pairs: Int[Tensor, "pairs 2"] | None = None
    guide: Guide | None = None
    negative: float = 1.0
    empty_eps: Eps | None = None
    host_t: Int[Tensor, " views"] | None = None
