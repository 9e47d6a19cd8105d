# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The optimisation loop: a generator that yields after every step. Pausing and cancelling are its caller's affair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras, are_in_sector
from limbeck.config import Recipe
from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.references import PosedImages, photometric_loss
from limbeck.distillation.state import RunState, set_learning_rates
from limbeck.distillation.term import Term, residual, surrogate_loss
from limbeck.errors import LimbeckError
from limbeck.priors.prior import Role
from limbeck.representations.densify import densify_and_prune, is_due
from limbeck.representations.representation import Rendering
from limbeck.rigs import Rig, sample_cameras


@dataclass(frozen=True)
class Scene:
    """What a run looks at, fixed over its steps.

    Attributes:
        rig: from where to look.
        priors: by role, for every role that the recipe needs.
        references: posed images that the render is held to, if any.
        device: where everything computes.
    """

    rig: Rig
    priors: Mapping[Role, Conditioned]
    references: PosedImages | None
    device: torch.device


@dataclass(frozen=True)
class StepReport:
    """What happened in one step.

    Attributes:
        step: steps finished so far.
        residuals: root mean square of each term's residual.
        points: Gaussians after the step.
    """

    step: int
    residuals: tuple[float, ...]
    points: int


def optimise(state: RunState, recipe: Recipe, scene: Scene) -> Iterator[StepReport]:
    """Advance ``state`` in place to ``recipe.steps``, yielding after every step."""
    while state.step < recipe.steps:
        yield run_step(state, recipe, scene)


def run_step(state: RunState, recipe: Recipe, scene: Scene) -> StepReport:
    """Run one optimisation step in place."""
    progress = state.step / recipe.steps
    set_learning_rates(state, recipe, progress)
    cameras = _sample_cameras(state, recipe, scene)
    background = _background(recipe, scene, state.generators["background"])
    rendering = state.gaussians.render(cameras, background)
    rendering.points2d.retain_grad()
    found = [_term_loss(term, scene, rendering, cameras, progress, state) for term in recipe.terms]
    regularisation = recipe.regularisers(rendering, state.gaussians.activated(), background, progress)
    losses = [loss for loss, _ in found] + [regularisation, _reference_loss(state, recipe, scene, background, progress)]
    state.optimizer.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    _finish_step(state, recipe, rendering)
    return StepReport(state.step, tuple(magnitude for _, magnitude in found), len(state.gaussians))


def _sample_cameras(state: RunState, recipe: Recipe, scene: Scene) -> Cameras:
    spec = scene.priors[recipe.terms[0].prior].prior.spec
    size = recipe.render_size or spec.image_size
    generator = state.generators["cameras"]
    return sample_cameras(
        scene.rig, spec, recipe.views, size, generator, are_orthogonal=recipe.needs_orthogonal_views
    ).to(scene.device)


def _term_loss(
    term: Term, scene: Scene, rendering: Rendering, cameras: Cameras, progress: float, state: RunState
) -> tuple[Float[Tensor, ""], float]:
    """Return a term's weighted loss and its residual's magnitude; nothing is computed where the weight is zero."""
    weight = term.weight(progress)
    rgb = rendering.rgb
    if term.sector_deg is not None:
        is_seen = are_in_sector(cameras.azimuth_deg, term.sector_deg)
        rgb, cameras = rgb[is_seen], cameras.select(is_seen)
    if weight == 0.0 or not len(rgb):
        return rgb.new_zeros(()), 0.0
    conditioned = scene.priors[term.prior]
    latents = conditioned.prior.encode(_fit(rgb, conditioned.prior.spec.image_size))
    found = residual(term, conditioned, latents, cameras, progress, state.generators["diffusion"])
    if not math.isfinite(found.magnitude):
        raise LimbeckError(
            "E_DIVERGED",
            f"the {term.prior} prior returned values that are not finite at step {state.step}",
            "lower guidance_scale or the learning rates, or try another seed",
        )
    return weight * surrogate_loss(latents, found.gradient, len(rendering.rgb)), found.magnitude


def _reference_loss(
    state: RunState, recipe: Recipe, scene: Scene, background: float, progress: float
) -> Float[Tensor, ""]:
    """Return the photometric loss, each reference seen over its own background where that is known."""
    weight = recipe.references.weight(progress) if recipe.references else 0.0
    if scene.references is None or weight == 0.0:
        return torch.zeros((), device=scene.device)
    seen_over = background if scene.references.background is None else scene.references.background
    rendering = state.gaussians.render(scene.references.cameras, seen_over)
    return weight * photometric_loss(rendering.rgb, scene.references.rgb)


def _fit(rgb: Float[Tensor, "views 3 H W"], size: int) -> Float[Tensor, "views 3 size size"]:
    if rgb.shape[-1] == size:
        return rgb
    return torch.nn.functional.interpolate(rgb, (size, size), mode="bilinear", antialias=True)


def _background(recipe: Recipe, scene: Scene, generator: torch.Generator) -> float:
    if recipe.background is not None:
        return recipe.background
    low, high = scene.priors[recipe.terms[0].prior].prior.spec.background or (0.0, 1.0)
    return low + (high - low) * float(torch.rand((), generator=generator))


def _finish_step(state: RunState, recipe: Recipe, rendering: Rendering) -> None:
    """Apply the gradients, count them, and densify when a round is due."""
    state.statistics.add(rendering)
    state.optimizer.step()
    state.step += 1
    if is_due(recipe.densify, state.step, recipe.steps):
        state.statistics = densify_and_prune(
            state.gaussians, state.optimizer, state.statistics, recipe.densify, state.generators["densify"]
        )
