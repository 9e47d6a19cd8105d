# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What an asset says of how it was made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import torch

from limbeck import __version__
from limbeck.config import recipe_to_plain
from limbeck.models import Cast
from limbeck.priors.licence import weights_licence
from limbeck.rigs import rig_to_plain

if TYPE_CHECKING:
    from limbeck.generate import GenerationSettings


def metadata(settings: GenerationSettings, models: Cast) -> dict[str, Any]:
    """Return prompt, seed, the whole recipe and model ids, JSON-ready; under the same profile they make it again."""
    return {
        "generator": f"Limbeck {__version__}",
        "prompt": settings.prompt,
        "negative_prompt": settings.negative_prompt,
        "seed": settings.seed,
        "faces": settings.faces,
        "texture_size": settings.texture_size,
        "prior": settings.prior if settings.prior == "embedded" else Path(settings.prior).name,
        "rig": rig_to_plain(settings.rig or settings.recipe.rig),
        "placement": {"centre": list(settings.placement.centre), "radius": settings.placement.radius},
        "recipe": recipe_to_plain(settings.recipe),
        "references": [
            {"use": reference.use, "weight": reference.weight, "posed": reference.camera is not None}
            for reference in settings.references
        ],
        "init": None if settings.start is None else settings.start.sha256,
        "weights_licence": weights_licence(settings.prior),
        "versions": {"limbeck": __version__, "torch": torch.__version__, "numpy": numpy.__version__},
        "priors": {role: speaker.prior.spec.name for role, speaker in models.speakers.items()},
    }
