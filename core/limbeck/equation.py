# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe's objective, written out."""

from __future__ import annotations

from dataclasses import fields

from limbeck.config import Recipe
from limbeck.distillation.consistent_noise import ConsistentNoise
from limbeck.distillation.term import AnyEnergy, Noise, Term
from limbeck.schedules import Schedule, as_plain

VARIATES = {
    "noise": "noise",
    "uncond": "eps(x_t, t, uncond)",
    "base": "eps(x_t, t, text)",
    "base_shifted": "eps(x_t', t', text)",
    "lora": "eps_lora(x_t, t, text, camera)",
    "path": "eps(x_s, s, empty)",
}
WEIGHTINGS = {"sigma2": "sigma_t^2", "uniform": "1", "gamma": "sigma_t / alpha_t", "fantasia3d": "alpha_t sigma_t^2"}
TARGETS = {
    "text_to_image": "text",
    "multi_view": "text, cameras",
    "image_prompt": "text, image",
    "structure": "text, depth",
    "novel_view": "image, camera",
}
ENERGIES = {"pair_classifier": "C(I)", "novel_view": "C(II)", "multi_view": "C(III)"}


def equation_of(recipe: Recipe) -> list[str]:
    """Return one line per term, and one each for what else is used: references, picture, regularisers, refinement."""
    lines = [_term_line(index, term) for index, term in enumerate(recipe.terms)]
    if recipe.references is not None:
        lines.append(f"+ {_show(recipe.references.weight)} x squared error to four drawn reference views")
    if recipe.takes_image and as_plain(recipe.picture_weight) != 0.0:
        given = "" if recipe.needs_image else ", if one is given"
        lines.append(f"+ {_show(recipe.picture_weight)} x squared error to the picture at its own camera{given}")
    regularisers = recipe.regularisers
    used = [field.name for field in fields(regularisers) if as_plain(getattr(regularisers, field.name)) != 0.0]
    lines += [f"+ regularisers: {', '.join(used)}"] if used else []
    return [*lines, _refinement_line(recipe)] if recipe.refine else lines


def _refinement_line(recipe: Recipe) -> str:
    what = "its vertices and colours, with every schedule at its end"
    return f"then {recipe.refine} steps on the extracted mesh, {what}"


def _term_line(index: int, term: Term) -> str:
    shared = "one t per step" if term.shares_timestep else "one t per view"
    t_range = f"t in [{_show(term.timesteps.t_min)}, {_show(term.timesteps.t_max)}] T, {shared}"
    weight = f"{_show(term.weight)} x {WEIGHTINGS[term.weighting]}"
    residual = f"{_target(term)} - {VARIATES[term.variate.kind]}{_energies(term)}"
    noise = term.noise.kind + (" on the start's points" if _sits_on_start(term.noise) else "")
    return f"term {index} on {term.prior}: {weight} x ({residual}), {t_range}, noise {noise}{_rest(term)}"


def _sits_on_start(noise: Noise) -> bool:
    return isinstance(noise, ConsistentNoise) and noise.points == "start"


def _target(term: Term) -> str:
    """Return the guided prediction, written out."""
    conditions = TARGETS[term.prior] + (" of the start" if term.start_setting == "control" else "")
    target = f"eps({conditions})"
    guidance = term.guidance
    direction = f"({target} - eps(uncond)"
    if guidance.perp_neg is not None:
        direction += f" + {_show(guidance.perp_neg.strength)} sum_i w_i(view) (e_i orthogonal to it)"
    guided = f"eps(uncond) + {_show(guidance.scale)} {direction})"
    if any(share for _, share in guidance.rescale.points):
        guided = f"rescale {_show(guidance.rescale)} of {guided}"
    return f"walk down by [{guided}]" if guidance.multi_step else f"[{guided}]"


def _energies(term: Term) -> str:
    if not term.energies:
        return ""
    return f" - {_show(term.energy_weight)} sigma_t ({' + '.join(map(_energy, term.energies))})"


def _energy(energy: AnyEnergy) -> str:
    guided = "" if energy.kind == "pair_classifier" else f" at guidance {_show(energy.guidance_scale)}"
    limit = "" if energy.max_share is None else f" (at most {energy.max_share:g} |r|)"
    return f"{_show(energy.weight)} dC/dx_t of {ENERGIES[energy.kind]}{guided}{limit}"


def _rest(term: Term) -> str:
    parts = []
    if term.prior == "image_prompt":
        parts.append(f"image scale {_show(term.image_scale)}")
    if term.prior == "structure":
        parts.append(f"control scale {_show(term.control_scale)}")
    if term.sector_deg is not None:
        parts.append(f"azimuths {term.sector_deg[0]:g} to {term.sector_deg[1]:g}")
    if term.consistency is not None:
        parts.append(f"+ {_show(term.consistency.weight)} x gradient consistency of neighbours (depth alone)")
    return "".join(f", {part}" for part in parts)


def _show(schedule: Schedule) -> str:
    if len(schedule.points) == 1:
        return f"{schedule.points[0][1]:g}"
    return "(" + " -> ".join(f"{value:g}" for _, value in schedule.points) + ")"
