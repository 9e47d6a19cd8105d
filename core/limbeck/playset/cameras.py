# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The cameras of the playset's views, as camera-conditioned UNets are told them."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from limbeck.cameras import mvdream_camera
from limbeck.playset.render import camera_c2w


def camera_condition(
    azimuth_deg: Float[ndarray, " batch"], elevation_deg: Float[ndarray, " batch"]
) -> Float[Tensor, "batch 16"]:
    """Return MVDream's camera vectors of orbit cameras."""
    c2w = np.stack([camera_c2w(float(a), float(e)) for a, e in zip(azimuth_deg, elevation_deg, strict=True)])
    return mvdream_camera(torch.from_numpy(c2w).float())
