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

import numpy
import torch
from jaxtyping import Float
from torch import Tensor

from limbeck import __version__
from limbeck.assets.texture import require_texture_memory
from limbeck.config import Recipe, recipe_to_plain
from limbeck.devices import choose_device
from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.loop import Scene, StepReport, optimise
from limbeck.distillation.references import PosedImages, draw_references
from limbeck.distillation.state import RunState, initial_state, state_from_tensors, state_to_tensors
from limbeck.errors import LimbeckError
from limbeck.events import Asset, Checkpoint, Event, Finished, Preview, Progress, Warned
from limbeck.meshing import final_mesh, placed, placed_cloud, preview_mesh
from limbeck.models import Cast, Spoken, load_cast, require_image
from limbeck.priors.licence import weights_licence
from limbeck.priors.novel_view import Viewpoints
from limbeck.prompts import unknown_words
from limbeck.randomness import seeded_generators
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
        texture_size: pixels along the edge of the asset's texture; 0 leaves it at vertex colours.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        previews: how many intermediate meshes the run yields, evenly spread.
        checkpoints: how many checkpoints the run yields, evenly spread.
        image: the image prompt: sRGB in 0 to 1, square, over a plain background; None where there is none.
        image_viewpoint: where it was seen from; None is straight from the front.
    """

    prompt: str
    recipe: Recipe
    negative_prompt: str = ""
    rig: Rig | None = None
    placement: Placement = Placement()
    prior: str = "embedded"
    seed: int = 0
    faces: int = 20_000
    texture_size: int = 1024
    device: str = "auto"
    previews: int = 40
    checkpoints: int = 0
    image: Float[Tensor, "1 3 H W"] | None = None
    image_viewpoint: Viewpoints | None = None


def generate(settings: GenerationSettings, resume: Checkpoint | None = None) -> Generator[Event, None, None]:
    """Run to the end, yielding what happens on the way; the last event is ``Finished``.

    Args:
        settings: the run.
        resume: a checkpoint of the same settings to go on from.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_MODEL_MISSING, E_RECIPE_INVALID, E_DEVICE, E_DIVERGED,
            E_EMPTY, E_OUT_OF_MEMORY.
    """
    require_texture_memory(settings.texture_size)
    require_image(settings.recipe, has_image=settings.image is not None)
    device = choose_device(settings.device)
    recipe = settings.recipe
    yield Progress("loading", 0, 0, f"the {settings.prior} prior")
    models = _load(settings, device)
    yield from _prompt_warnings(settings, models)
    if not is_compiled(device):
        yield Progress("compiling", 0, 0, "the rasteriser; this happens once")
    warm_up(device)
    state = initial_state(recipe, settings.seed, device, models.speakers)
    references = _draw_references(state, recipe, models, device)
    if resume is not None:
        state = state_from_tensors(resume.tensors, recipe, device, models.speakers)
    scene = Scene(settings.rig or recipe.rig, models.speakers, references, device, models.critics, models.picture)
    yield from _optimise(state, settings, scene)
    yield Progress("extracting", 0, 0, "the mesh and its texture" if settings.texture_size else "the mesh")
    mesh = placed(final_mesh(state.gaussians, settings.faces, settings.texture_size), settings.placement)
    if settings.texture_size and mesh.texture is None:
        yield Warned("W_NO_TEXTURE", "the surface could not be laid flat: the asset has vertex colours only")
    cloud = placed_cloud(state.gaussians.cloud(), settings.placement)
    yield Finished(Asset(mesh, cloud, _metadata(settings, models)))


def _load(settings: GenerationSettings, device: torch.device) -> Cast:
    spoken = Spoken(settings.prompt, settings.negative_prompt, settings.image, settings.image_viewpoint)
    drawing = seeded_generators(settings.seed)["image"]
    return load_cast(settings.recipe, settings.prior, spoken, drawing, device)


def _draw_references(state: RunState, recipe: Recipe, models: Cast, device: torch.device) -> PosedImages | None:
    """Draw the recipe's references; a resumed run draws the same ones, as their generator starts from the seed."""
    if recipe.references is None:
        return None
    roles = ("multi_view", "text_to_image")
    return draw_references(
        recipe.references, {role: models.text(role) for role in roles}, state.generators["references"], device
    )


def _prompt_warnings(settings: GenerationSettings, models: Cast) -> Iterator[Warned]:
    readers = [speaker for speaker in models.speakers.values() if isinstance(speaker, Conditioned)]
    if not readers:
        return
    first = models.speakers[settings.recipe.terms[0].prior]
    reader = first if isinstance(first, Conditioned) else readers[0]
    spec = reader.prior.spec
    if reader.prompt != settings.prompt:
        yield Warned("W_PROMPT_TRUNCATED", f"the prompt is too long for the prior, which reads {reader.prompt!r}")
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
    checkpoint: int | None = None
    reports = optimise(state, recipe, scene)
    while (report := _next_report(reports, checkpoint)) is not None:
        yield Progress(
            "optimising", report.step, recipe.steps, f"{report.points} Gaussians, residual {report.residuals[0]:.2f}"
        )
        if _is_nth(report.step, recipe.steps, settings.previews):
            mesh = preview_mesh(state.gaussians)
            if not mesh.is_empty:
                yield Preview(report.step, placed(mesh, settings.placement))
        if _is_nth(report.step, recipe.steps, settings.checkpoints):
            checkpoint = report.step
            yield Checkpoint(report.step, state_to_tensors(state))


def _next_report(reports: Iterator[StepReport], checkpoint: int | None) -> StepReport | None:
    """Advance by a step; a run that diverges says to which checkpoint it can go back."""
    try:
        return next(reports, None)
    except LimbeckError as error:
        if error.code != "E_DIVERGED":
            raise
        good = (
            "there is no checkpoint before it"
            if checkpoint is None
            else f"the last good checkpoint is step {checkpoint}"
        )
        raise LimbeckError(error.code, f"{error.message}; {good}", error.remedy) from error


def _is_nth(step: int, steps: int, count: int) -> bool:
    """Return whether ``step`` of ``steps`` is one of ``count`` evenly spread ones."""
    return count > 0 and (step * count) // steps > ((step - 1) * count) // steps


def _metadata(settings: GenerationSettings, models: Cast) -> dict[str, Any]:
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
        "weights_licence": weights_licence(settings.prior),
        "versions": {"limbeck": __version__, "torch": torch.__version__, "numpy": numpy.__version__},
        "priors": {role: speaker.prior.spec.name for role, speaker in models.speakers.items()},
    }


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with another number of steps; its schedules follow, as they are in progress."""
    return replace(recipe, steps=steps)
