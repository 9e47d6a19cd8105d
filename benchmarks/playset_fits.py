# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Gaussians fitted to true views of the playset's toys: photometric and alpha loss, no prior, no distillation."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from limbeck.cameras import Cameras, pinhole_Ks
from limbeck.playset.render import FOV_Y_DEG, camera_c2w, render_solids
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS, Thing, build
from limbeck.representations.gaussians import PARAMETER_NAMES, Gaussians

RINGS = ((-25.0, 0.0), (15.0, 15.0), (50.0, 30.0))
"""Elevation and first azimuth in degrees of the three rings of eight views that a toy is fitted to."""
HELD_OUT_RINGS = ((0.0, 22.0), (33.0, 67.0))
"""The same of the two rings of four views that score it."""
STEPS = 500
VIEWS_PER_STEP = 4
START_COUNT = 6000
SHELL = 0.06
"""Points this near to the outside of the visual hull count as its surface."""
START_SCALE = 0.02
RATES = {"means": 0.004, "log_scales": 0.015, "quats": 0.01, "opacity_logits": 0.05, "color_logits": 0.05}
"""Adam's; the second half of a fit divides them by up to ten."""


@dataclass(frozen=True)
class TrueViews:
    """Pictures of a toy: straight sRGB [V, 3, H, W] and alpha [V, 1, H, W] in 0 to 1, and their cameras."""

    rgb: Tensor
    alpha: Tensor
    cameras: Cameras

    def over(self, background: Tensor) -> Tensor:
        """Return the pictures composited over one sRGB colour [3]."""
        return self.rgb * self.alpha + background[:, None, None] * (1 - self.alpha)


def things() -> list[Thing]:
    """Return one toy of each of the 24 kinds; colours and patterns go round."""
    count = len(COLOR_WORDS)
    return [Thing(noun, COLOR_WORDS[i % count], PATTERNS[i % 4], seed=i) for i, noun in enumerate(NOUNS)]


def ring_angles(rings: tuple[tuple[float, float], ...], count: int) -> list[tuple[float, float]]:
    return [(start + i * 360 / count, elevation) for elevation, start in rings for i in range(count)]


def true_views(thing: Thing, angles: list[tuple[float, float]], size: int) -> TrueViews:
    """Render a toy from (azimuth, elevation) in degrees, with 16 samples a pixel."""
    solids = build(thing)
    c2w = np.stack([camera_c2w(azimuth, elevation) for azimuth, elevation in angles])
    views = [render_solids(solids, thing.pattern, matrix, size=size, samples=4) for matrix in c2w]
    rgba = torch.from_numpy(np.stack([view.rgba for view in views])).permute(0, 3, 1, 2).float() / 255
    azimuth_deg, elevation_deg = torch.tensor(angles).T
    Ks = pinhole_Ks(torch.full((len(angles),), FOV_Y_DEG), size, size)
    cameras = Cameras(torch.from_numpy(c2w).float(), Ks, size, size, elevation_deg, azimuth_deg)
    return TrueViews(rgba[:, :3], rgba[:, 3:], cameras)


def fit(thing: Thing, size: int, seed: int = 0) -> Gaussians:
    """Fit Gaussians to 24 views of a toy, starting from points inside its visual hull."""
    generator = torch.Generator().manual_seed(seed)
    views = true_views(thing, ring_angles(RINGS, 8), size)
    gaussians = Gaussians(_start(views, generator))
    groups = [{"params": [gaussians.parameters()[name]], "lr": rate} for name, rate in RATES.items()]
    optimizer = torch.optim.Adam(groups, eps=1e-15)
    for step in range(STEPS):
        for group, rate in zip(optimizer.param_groups, RATES.values(), strict=True):
            group["lr"] = rate * 10 ** -max(0.0, 2 * step / STEPS - 1)
        optimizer.zero_grad()
        _loss(gaussians, views, generator).backward()
        optimizer.step()
    return gaussians


def _loss(gaussians: Gaussians, views: TrueViews, generator: torch.Generator) -> Tensor:
    """Compare a few views over one random background: L1 and L2 of colour, L2 of alpha."""
    is_chosen = torch.zeros(len(views.rgb), dtype=torch.bool)
    is_chosen[torch.randperm(len(views.rgb), generator=generator)[:VIEWS_PER_STEP]] = True
    background = torch.rand(3, generator=generator)
    rendering = gaussians.render(views.cameras.select(is_chosen), background.expand(VIEWS_PER_STEP, 3))
    residual = rendering.rgb - views.over(background)[is_chosen]
    alpha_residual = rendering.alpha - views.alpha[is_chosen]
    return residual.abs().mean() + residual.square().mean() + alpha_residual.square().mean()


def _start(views: TrueViews, generator: torch.Generator) -> dict[str, Tensor]:
    """Return small grey Gaussians inside all silhouettes, three of four of them near the hull's surface."""
    points = torch.rand(400_000, 3, generator=generator) * 2 - 1
    points = points[_in_hull(points, views)]
    directions = torch.nn.functional.normalize(torch.randn(len(points), 3, generator=generator), dim=-1)
    is_shell = ~_in_hull(points + SHELL * directions, views)
    inner, shell = START_COUNT // 4, START_COUNT - START_COUNT // 4
    points = torch.cat([points[~is_shell][:inner], points[is_shell][:shell]])
    return {
        "means": points,
        "log_scales": torch.full((len(points), 3), math.log(START_SCALE)),
        "quats": torch.randn(len(points), 4, generator=generator),
        "opacity_logits": torch.full((len(points),), -1.0),
        "color_logits": torch.zeros(len(points), 3),
    }


def _in_hull(points: Tensor, views: TrueViews) -> Tensor:
    is_inside = torch.ones(len(points), dtype=torch.bool)
    for alpha, viewmat, K in zip(views.alpha[:, 0], views.cameras.viewmats, views.cameras.Ks, strict=True):
        pixels = (points @ viewmat[:3, :3].T + viewmat[:3, 3]) @ K.T
        column, row = (pixels[:, :2] / pixels[:, 2:]).long().clamp(0, views.cameras.width - 1).unbind(1)
        is_inside &= alpha[row, column] > 0.5
    return is_inside


def cached_fit(thing: Thing, size: int, folder: Path) -> Gaussians:
    """Return the fit of a toy from the folder, or make it and keep it there."""
    path = folder / f"{thing.noun.replace(' ', '_')}-{size}-{STEPS}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fitted = fit(thing, size).parameters()
        np.savez(path, **{name: fitted[name].detach().numpy() for name in PARAMETER_NAMES})
    with np.load(path, allow_pickle=False) as arrays:
        return Gaussians({name: torch.from_numpy(arrays[name]) for name in PARAMETER_NAMES})
