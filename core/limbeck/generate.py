# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Prompt to asset: the whole story on one page.

    priors -> prompt embeddings -> optimisation, with previews and checkpoints on the way -> mesh -> asset

``generate`` is a generator. Whoever iterates it decides when to stop: closing it between two events cancels the run.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from limbeck import __version__
from limbeck.config import Recipe, recipe_to_plain
from limbeck.devices import choose_device
from limbeck.distillation.conditioning import Conditioned, condition
from limbeck.distillation.loop import Scene, optimise
from limbeck.distillation.references import PosedImages, draw_references
from limbeck.distillation.state import RunState, initial_state, state_from_tensors, state_to_tensors
from limbeck.events import Asset, Checkpoint, Event, Finished, Preview, Progress, Warned
from limbeck.meshing import final_mesh, placed, placed_cloud, preview_mesh
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Role
from limbeck.prompts import unknown_words
from limbeck.representations.rasterize import is_compiled, warm_up
from limbeck.rigs import Placement, Rig, rig_to_plain


@dataclass(frozen=True)
class GenerationSettings:
    """One run.

    Attributes:
        prompt, negative_prompt: what to make, and what to steer away from.
        recipe: the method, in full.
        rig: from where to look, or None for the recipe's own.
        placement: where the object stands in the artist's world.
        prior: ``embedded`` or a folder in diffusers' layout.
        seed: on the CPU the same seed gives the same asset, byte for byte, on the same machine.
        faces: the asset's face budget.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        previews: how many intermediate meshes the run yields, evenly spread.
        checkpoints: how many checkpoints the run yields, evenly spread.
    """

    prompt: str
    recipe: Recipe
    negative_prompt: str = ""
    rig: Rig | None = None
    placement: Placement = Placement()
    prior: str = "embedded"
    seed: int = 0
    faces: int = 20_000
    device: str = "auto"
    previews: int = 40
    checkpoints: int = 0


def generate(settings: GenerationSettings, resume: Checkpoint | None = None) -> Generator[Event, None, None]:
    """Run to the end, yielding what happens on the way; the last event is ``Finished``.

    Args:
        settings: the run.
        resume: a checkpoint of the same settings to go on from.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_DEVICE, E_DIVERGED, E_EMPTY.
    """
    device = choose_device(settings.device)
    recipe = settings.recipe
    yield Progress("loading", 0, 0, f"the {settings.prior} prior")
    priors: dict[Role, Conditioned] = {role: _condition(settings, role, device) for role in recipe.roles}
    yield from _prompt_warnings(settings, priors[recipe.terms[0].prior])
    if not is_compiled(device):
        yield Progress("compiling", 0, 0, "the rasteriser; this happens once")
    warm_up(device)
    state = initial_state(recipe, settings.seed, device)
    references = _draw_references(state, recipe, priors, device)
    if resume is not None:
        state = state_from_tensors(resume.tensors, recipe, device)
    yield from _optimise(state, settings, Scene(settings.rig or recipe.rig, priors, references, device))
    yield Progress("extracting", 0, 0, "the mesh")
    mesh = placed(final_mesh(state.gaussians, settings.faces), settings.placement)
    cloud = placed_cloud(state.gaussians.cloud(), settings.placement)
    yield Finished(Asset(mesh, cloud, _metadata(settings, priors)))


def _condition(settings: GenerationSettings, role: Role, device: torch.device) -> Conditioned:
    return condition(load_prior(settings.prior, role, device), settings.prompt, settings.negative_prompt)


def _draw_references(
    state: RunState, recipe: Recipe, priors: dict[Role, Conditioned], device: torch.device
) -> PosedImages | None:
    """Draw the recipe's references; a resumed run draws the same ones, as their generator starts from the seed."""
    if recipe.references is None:
        return None
    return draw_references(recipe.references, priors, state.generators["references"], device)


def _prompt_warnings(settings: GenerationSettings, conditioned: Conditioned) -> Iterator[Warned]:
    spec = conditioned.prior.spec
    if conditioned.prompt != settings.prompt:
        yield Warned("W_PROMPT_TRUNCATED", f"the prompt is too long for the prior, which reads {conditioned.prompt!r}")
    if spec.known_words is None:
        return
    unknown = unknown_words(f"{settings.prompt} {settings.negative_prompt}", spec.known_words)
    if unknown:
        known = ", ".join(spec.subjects)
        message = f"the {settings.prior} prior does not know {', '.join(map(repr, unknown))}; it knows {known}"
        yield Warned("W_UNKNOWN_WORDS", message)


def _optimise(state: RunState, settings: GenerationSettings, scene: Scene) -> Iterator[Event]:
    recipe = settings.recipe
    yield Progress("optimising", state.step, recipe.steps)
    for report in optimise(state, recipe, scene):
        yield Progress(
            "optimising", report.step, recipe.steps, f"{report.points} Gaussians, residual {report.residuals[0]:.2f}"
        )
        if _is_nth(report.step, recipe.steps, settings.previews):
            mesh = preview_mesh(state.gaussians)
            if not mesh.is_empty:
                yield Preview(report.step, placed(mesh, settings.placement))
        if _is_nth(report.step, recipe.steps, settings.checkpoints):
            yield Checkpoint(report.step, state_to_tensors(state))


def _is_nth(step: int, steps: int, count: int) -> bool:
    """Return whether ``step`` of ``steps`` is one of ``count`` evenly spread ones."""
    return count > 0 and (step * count) // steps > ((step - 1) * count) // steps


def _metadata(settings: GenerationSettings, priors: dict[Role, Conditioned]) -> dict[str, Any]:
    return {
        "generator": f"Limbeck {__version__}",
        "prompt": settings.prompt,
        "negative_prompt": settings.negative_prompt,
        "seed": settings.seed,
        "faces": settings.faces,
        "prior": settings.prior if settings.prior == "embedded" else Path(settings.prior).name,
        "rig": rig_to_plain(settings.rig or settings.recipe.rig),
        "placement": {"centre": list(settings.placement.centre), "radius": settings.placement.radius},
        "recipe": recipe_to_plain(settings.recipe),
        "priors": {role: conditioned.prior.spec.name for role, conditioned in priors.items()},
    }


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with another number of steps; its schedules follow, as they are in progress."""
    return replace(recipe, steps=steps)
