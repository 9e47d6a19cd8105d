# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Models under a profile: how much of them is in memory at once, and where they wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar, cast

import torch

from limbeck.planning.profiles import Profile, shrunk_size
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.novel_view import NovelViewPrior
from limbeck.priors.rationing import Ration

CPU = torch.device("cpu")
AnyModel = TypeVar("AnyModel")


def within(model: AnyModel, profile: Profile, device: torch.device) -> AnyModel:
    """Return a model under a profile, its networks where that wants them; models of other kinds stay as they are."""
    if not isinstance(model, (DiffusionPrior, NovelViewPrior)):
        return model
    own_size = model.spec.image_size * model.ration.shrink
    size = shrunk_size(own_size, profile.shrink)
    waits = profile.unets_wait and device.type != "cpu"
    ration = Ration(profile.views, profile.samples, own_size // size, waits)
    cast("Any", model.unet).to(CPU if waits else device)
    return cast("AnyModel", replace(model, spec=replace(model.spec, image_size=size), ration=ration))
