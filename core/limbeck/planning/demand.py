# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a recipe asks of each model in a step, counted in views and samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from limbeck.config import Recipe
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.energies.novel_view import NovelViewEnergy
from limbeck.distillation.inversion import DDIMInversion
from limbeck.distillation.requests import uncond_branches
from limbeck.distillation.term import AnyEnergy, AnyRole, Term
from limbeck.distillation.variates import TrainedScore

MOMENTS = tuple(index / 16 for index in range(17))
"""Where schedules are looked at: progress from 0 to 1."""


@dataclass(frozen=True)
class Use:
    """What one term or energy asks of one model in a step.

    Attributes:
        role: which model.
        kept_views: images encoded with a gradient, whose graph lives until the step's backward pass.
        seen_views: images encoded without.
        batch: samples in the largest forward pass of its UNet.
        samples: samples in all of them.
        trained: samples that a trained copy of its UNet learns from.
        calls: forward passes of its UNet.
    """

    role: AnyRole
    kept_views: float = 0.0
    seen_views: float = 0.0
    batch: float = 0.0
    samples: float = 0.0
    trained: float = 0.0
    calls: float = 1.0


def uses_at(recipe: Recipe, progress: float, *, has_negative: bool) -> list[Use]:
    """Return what a step at that progress asks for; a term of weight 0 asks for nothing."""
    terms = [term for term in recipe.terms if term.weight(progress)]
    return [use for term in terms for use in _uses_of(term, recipe.views, progress, has_negative=has_negative)]


def _uses_of(term: Term, views: int, progress: float, *, has_negative: bool) -> Iterator[Use]:
    share = 1.0 if term.sector_deg is None else (term.sector_deg[1] - term.sector_deg[0]) / 360
    uncond = len(uncond_branches(term.negative(progress), has_negative=has_negative))
    guided = _evaluations(term, term.guidance.branches, uncond)
    is_corrected = bool(term.energies) and term.energy_weight(progress) != 0
    wanted = (*term.guidance.branches, *term.variate.branches, *(("uncond",) if is_corrected else ()))
    batch = _evaluations(term, wanted, uncond)
    path = _path_steps(term, views, progress)
    walk = 0.0 if term.guidance.multi_step is None else max(0.0, path - 1) * guided
    is_trained = isinstance(term.variate, TrainedScore)
    each = batch + (path if isinstance(term.noise, DDIMInversion) else 0.0) + walk + is_trained
    calls = 1 + (path if isinstance(term.noise, DDIMInversion) else 0.0) + walk / guided + is_trained
    used = Use(term.prior, views * share, 0.0, views * batch, views * share * each, views * share * is_trained, calls)
    # The largest step is one whose views all are in the sector.
    yield replace(used, kept_views=views) if share < 1 else used
    if is_corrected:
        yield from (use for energy in term.energies for use in _uses_of_energy(energy, views, uncond, progress))


def _evaluations(term: Term, branches: tuple[str, ...], uncond: int) -> int:
    """Return how many branches are in one forward pass (``residual.Asker.ask``)."""
    wanted = set(branches) - {"lora"}
    if "base" in wanted and term.prior != "image_prompt":
        wanted = wanted - {"base"} | {"text"}
    return len(wanted) + (uncond - 1 if "uncond" in wanted else 0)


def _path_steps(term: Term, views: int, progress: float) -> float:
    """Return how many steps the path to the mean of the latest timestep has."""
    rule = term.noise if isinstance(term.noise, DDIMInversion) else term.guidance.multi_step
    if rule is None:
        return 0.0
    low, high = term.timesteps.t_min(progress), term.timesteps.t_max(progress)
    drawn = 1 if term.shares_timestep else views
    latest = low + (high - low) * drawn / (drawn + 1)
    return math.ceil(max(0.0, latest - rule.interval(progress)) / rule.stride) + 1


def _uses_of_energy(energy: AnyEnergy, views: int, uncond: int, progress: float) -> Iterator[Use]:
    if not energy.weight(progress):
        return
    if isinstance(energy, MultiViewEnergy):
        yield Use("multi_view", seen_views=views, batch=views * (1 + uncond), samples=views * (1 + uncond))
    elif isinstance(energy, NovelViewEnergy):
        yield Use("novel_view", seen_views=2 * views, batch=2 * views, samples=2 * views)
    else:
        yield Use("pair_classifier", seen_views=views)
