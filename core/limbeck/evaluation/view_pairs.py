# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What C(I) says of the views that a multi-view prior drew together: one object, seen from the asked cameras?"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from limbeck.evaluation.toy_pairs import relative_orbit_cameras
from limbeck.priors.pair_classifier import PairClassifier

TURNS_DEG = (90.0, 180.0, 270.0)
BATCH = 64


@torch.no_grad()
def pair_figures(
    classifier: PairClassifier,
    rgb: Float[Tensor, "groups views 3 H W"],
    azimuth_deg: Float[ndarray, "groups views"],
    elevation_deg: Float[ndarray, " groups"],
) -> dict[str, float]:
    """Return the shares of ordered pairs of a group's views that C(I) judges rightly.

    A right camera is the asked one; for a wrong one the second view is said to be a quarter, half or three quarters of
    a turn from where it was asked. Accuracy is the mean of both; chance is 0.5.
    """
    pixels = rgb.flatten(0, 1).to(next(classifier.parameters()).device)
    features = torch.cat([classifier.features(part) for part in pixels.split(BATCH)]).unflatten(0, rgb.shape[:2])
    first, second = np.array(list(permutations(range(rgb.shape[1]), 2))).T
    elevation = np.repeat(elevation_deg, len(first))
    pairs = [features[:, index].flatten(0, 1) for index in (first, second)]

    def says_yes(turn_deg: float) -> Tensor:
        azimuths = (azimuth_deg[:, first].reshape(-1), azimuth_deg[:, second].reshape(-1) + turn_deg)
        cameras = relative_orbit_cameras(azimuths, (elevation, elevation)).to(features)
        return classifier.head(*pairs, cameras) > 0

    right = float(says_yes(0.0).float().mean())
    wrong = float(torch.stack([~says_yes(turn) for turn in TURNS_DEG]).float().mean())
    return {
        "pair_accuracy": round((right + wrong) / 2, 4),
        "pair_right_camera": round(right, 4),
        "pair_wrong_camera": round(wrong, 4),
    }
