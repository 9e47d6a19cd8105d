# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe's objective, written out."""

from __future__ import annotations

from dataclasses import fields

from limbeck.config import Recipe
from limbeck.distillation.term import Term
from limbeck.schedules import Schedule, as_plain

VARIATES = {"noise": "noise", "uncond": "eps(x_t, t, uncond)", "base": "eps(x_t, t, text)"}
WEIGHTINGS = {"sigma2": "sigma_t^2", "uniform": "1", "gamma": "sigma_t / alpha_t", "fantasia3d": "alpha_t sigma_t^2"}


def equation_of(recipe: Recipe) -> list[str]:
    """Return one line per term, and one each for drawn references and regularisers where they are in use."""
    lines = [_term_line(index, term) for index, term in enumerate(recipe.terms)]
    if recipe.references is not None:
        lines.append(f"+ {_show(recipe.references.weight)} x squared error to four drawn reference views")
    regularisers = recipe.regularisers
    used = [field.name for field in fields(regularisers) if as_plain(getattr(regularisers, field.name)) != 0.0]
    return [*lines, f"+ regularisers: {', '.join(used)}"] if used else lines


def _term_line(index: int, term: Term) -> str:
    guided = f"[eps_uncond + {_show(term.guidance.scale)} (eps_text - eps_uncond)]"
    shared = "one t per step" if term.timesteps.is_shared else "one t per view"
    t_range = f"t in [{_show(term.timesteps.t_min)}, {_show(term.timesteps.t_max)}] T, {shared}"
    weight = f"{_show(term.weight)} x {WEIGHTINGS[term.weighting]}"
    sector = "" if term.sector_deg is None else f", azimuths {term.sector_deg[0]:g} to {term.sector_deg[1]:g}"
    return f"term {index} on {term.prior}: {weight} x ({guided} - {VARIATES[term.variate.kind]}), {t_range}{sector}"


def _show(schedule: Schedule) -> str:
    if len(schedule.points) == 1:
        return f"{schedule.points[0][1]:g}"
    return "(" + " -> ".join(f"{value:g}" for _, value in schedule.points) + ")"
