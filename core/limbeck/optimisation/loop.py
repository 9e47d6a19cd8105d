# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The optimisation loop: a generator that yields after every step. Pausing and cancelling are its caller's affair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from limbeck.cameras import Cameras, are_in_sector
from limbeck.config import Recipe
from limbeck.devices import uploaded
from limbeck.distillation.conditioning import Speaker
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import Critics
from limbeck.distillation.guide import Guide
from limbeck.distillation.references import PosedImages, photometric_loss, target_loss
from limbeck.distillation.residual import Helpers, residual, surrogate_loss, trained_cond
from limbeck.distillation.term import Term, TermRole
from limbeck.errors import LimbeckError
from limbeck.framing import Targets
from limbeck.meshing import free_mesh
from limbeck.optimisation.state import RunState, make_optimizer, set_learning_rates
from limbeck.optimisation.views import fit_to, neighbour_pairs, sample_views
from limbeck.planning.exhaustion import first_line, is_out_of_memory
from limbeck.priors.prior import Cond
from limbeck.representations.representation import Moment, Rendering
from limbeck.rigs import Rig

EXPLODED = 1e6
"""Root mean square of a residual from which a run has diverged. Noise predictions are of size one, guidance is about
a hundred, and weights by 1 / alpha reach 15: what is a thousand times larger comes from latents far outside of all
images."""


@dataclass(frozen=True)
class Scene:
    """What a run looks at, fixed over its steps.

    Attributes:
        rig: from where to look.
        priors: by role, for every role that the recipe's terms need.
        references: posed images that the render is held to, if any.
        device: where everything computes.
        critics: what the recipe's energies need.
        picture: the image prompt and its camera, if any.
        targets: the user's posed pictures that the render is held to, if any.
        guide: the shape that the run starts from, where a term looks at it.
    """

    rig: Rig
    priors: Mapping[TermRole, Speaker]
    references: PosedImages | None
    device: torch.device
    critics: Critics = Critics()
    picture: PosedImages | None = None
    targets: Targets | None = None
    guide: Guide | None = None


@dataclass(frozen=True)
class StepReport:
    """What happened in one step.

    Attributes:
        step: steps finished so far.
        residuals: root mean square of each term's residual.
        elements: Gaussians, voxels or faces after the step.
        shared_noise: the least of all terms with 3D-consistent noise (``noise.Noised.shared``); None without such.
        gradients: root mean square of what each term's latents are pulled by, w(t) r, without the term's own weight.
        views: how many views each term looked at; 0 where its weight is 0.
    """

    step: int
    residuals: tuple[float, ...]
    elements: int
    shared_noise: float | None = None
    gradients: tuple[float, ...] = ()
    views: tuple[int, ...] = ()


@dataclass(frozen=True)
class TermLoss:
    """A term's weighted loss, its residual's magnitude, and how much of its noise views share (``StepReport``).

    Losses and magnitudes stay on the device until the step reads all of them at once.

    Attributes:
        shown: the clean latents and the condition that its trained copy learns from, if it has one.
        gradient: root mean square of w(t) r; None where the weight is 0.
        views: how many it looked at.
    """

    loss: Float[Tensor, ""]
    magnitude: Float[Tensor, ""]
    shared_noise: float | None = None
    shown: tuple[Tensor, Cond] | None = None
    gradient: Float[Tensor, ""] | None = None
    views: int = 0


def optimise(state: RunState, recipe: Recipe, scene: Scene) -> Iterator[StepReport]:
    """Advance ``state`` in place to the last step of ``recipe``, yielding after every step."""
    while state.step < recipe.all_steps:
        yield run_step(state, recipe, scene)


def run_step(state: RunState, recipe: Recipe, scene: Scene) -> StepReport:
    """Run one optimisation step in place.

    Raises:
        LimbeckError: E_DIVERGED, naming the step and the term. What the run has learned, representation, trained
            copies and their optimisers, is then as after the step before; random streams have gone on.
    """
    progress = min(state.step / recipe.steps, 1.0)
    set_learning_rates(state, progress)
    spec = scene.priors[recipe.terms[0].prior].prior.spec
    cameras = sample_views(recipe, scene.rig, spec, progress, state.generators["cameras"]).to(scene.device)
    background = _background(recipe, scene, state.generators["background"])
    with_normals = recipe.regularisers.orientation(progress) > 0
    rendering = state.representation.render(cameras, background, with_normals=with_normals)
    context = replace(_context(state, recipe, rendering, cameras, progress), guide=scene.guide)
    found = [_term_loss(index, term, scene, context, state) for index, term in enumerate(recipe.terms)]
    regularisation = recipe.regularisers(rendering, state.representation, progress)
    losses = [one.loss for one in found] + [regularisation, _reference_loss(state, recipe, scene, background, progress)]
    state.optimizer.zero_grad(set_to_none=True)
    torch.stack(losses).sum().backward()
    of_copies = _losses_of_copies(state, recipe.terms, found)
    magnitudes, gradients = _read_back(state, recipe.terms, found, of_copies)
    for index, loss in of_copies.items():
        state.trained[str(index)].descend(loss)
    with _no_way_back(state.step):
        for index in of_copies:
            state.trained[str(index)].step()
        _finish_step(state, recipe, rendering)
    shared = min((one.shared_noise for one in found if one.shared_noise is not None), default=None)
    views = tuple(one.views for one in found)
    return StepReport(state.step, magnitudes, len(state.representation), shared, gradients, views)


def _context(state: RunState, recipe: Recipe, rendering: Rendering, cameras: Cameras, progress: float) -> StepContext:
    points = state.representation.points() if any(term.noise.kind == "consistent" for term in recipe.terms) else None
    return StepContext(
        progress,
        cameras,
        rendering,
        state.generators["diffusion"],
        None if points is None else points.positions,
        None if points is None else points.sigmas,
        pairs=uploaded(neighbour_pairs(recipe.views), cameras.c2w.device) if recipe.neighbours_deg else None,
    )


def _term_loss(index: int, term: Term, scene: Scene, context: StepContext, state: RunState) -> TermLoss:
    """Return a term's weighted loss and its residual's magnitude; nothing is computed where the weight is zero."""
    weight, views = term.weight(context.progress), len(context.rendering.rgb)
    if term.sector_deg is not None:
        context = _in_sector(context, term.sector_deg)
    rgb = context.rendering.rgb
    if weight == 0.0 or not len(rgb):
        return TermLoss(rgb.new_zeros(()), rgb.new_zeros(()))
    speaker = scene.priors[term.prior]
    latents = speaker.prior.encode(fit_to(rgb, speaker.prior.spec.image_size))
    trained = state.trained.get(str(index))
    found = residual(term, speaker, latents, context, Helpers(scene.critics, trained))
    shown = None if trained is None else (latents.detach(), trained_cond(speaker, context))
    loss = surrogate_loss(latents, found.gradient, views)
    loss = loss if found.depth_loss is None else loss + found.depth_loss
    gradient = found.gradient.square().mean().sqrt()
    return TermLoss(weight * loss, found.magnitude, found.shared_noise, shown, gradient, len(rgb))


@contextmanager
def _no_way_back(step: int) -> Iterator[None]:
    """Say that memory ran out while a step was applied: it may be half done, and cannot be repeated.

    Raises:
        LimbeckError: E_OUT_OF_MEMORY.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        message = f"memory ran out while step {step} was applied: {first_line(error)}"
        remedy = "free memory, then go on from the newest checkpoint"
        raise LimbeckError("E_OUT_OF_MEMORY", message, remedy) from error


def _losses_of_copies(state: RunState, terms: Sequence[Term], found: Sequence[TermLoss]) -> dict[int, Tensor]:
    """Return the loss of every trained copy, by its term's number."""
    generator = state.generators["trained"]
    return {
        index: state.trained[str(index)].loss(*one.shown, generator, is_shared=term.shares_timestep)
        for index, (term, one) in enumerate(zip(terms, found, strict=True))
        if one.shown is not None
    }


def _read_back(
    state: RunState, terms: Sequence[Term], found: Sequence[TermLoss], of_copies: Mapping[int, Tensor]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the magnitudes of residuals and of what pulls the latents.

    All that a step needs to know comes from the device in one transfer, its only one, at a moment when a GPU has little
    left to do: gsplat waits for it as well when the next step begins to render.

    Raises:
        LimbeckError: E_DIVERGED if a residual has exploded, or a gradient or a copy's loss is not finite.
    """
    gradients = {name: p.grad for name, p in state.representation.parameters().items() if p.grad is not None}
    are_finite = [gradient.isfinite().all() for gradient in gradients.values()]
    losses = [loss.detach() for loss in of_copies.values()]
    pulls = [one.magnitude.new_zeros(()) if one.gradient is None else one.gradient for one in found]
    asked = (*(one.magnitude for one in found), *pulls, *losses, *are_finite)
    read = torch.stack([one.to(state.representation.device, torch.float32) for one in asked]).cpu().tolist()
    own, pulled, rest = read[: len(terms)], read[len(terms) : 2 * len(terms)], read[2 * len(terms) :]
    copies, finite = rest[: len(losses)], rest[len(losses) :]
    _require_sane(state.step, terms, own)
    for name, is_finite in zip(gradients, finite, strict=True):
        if not is_finite:
            among = ", ".join(f"{index} ({term.prior})" for index, term in enumerate(terms))
            what = f"the gradient of {name} is not finite, though the residual of each term {among} is"
            raise diverged(state.step, what)
    for index, loss in zip(of_copies, copies, strict=True):
        if not math.isfinite(loss):
            raise diverged(state.step, f"the trained variate of term {index} has a loss of {loss}")
    return tuple(own), tuple(pulled)


def _require_sane(step: int, terms: Sequence[Term], magnitudes: Sequence[float]) -> None:
    for index, (term, magnitude) in enumerate(zip(terms, magnitudes, strict=True)):
        if not magnitude < EXPLODED:  # also where it is not a number
            raise diverged(step, f"term {index} on the {term.prior} prior has a residual of {magnitude:.3g}")


def _in_sector(context: StepContext, sector_deg: tuple[float, float]) -> StepContext:
    is_seen = are_in_sector(context.cameras.azimuth_deg, sector_deg)
    rendering, cameras = context.rendering.select(is_seen), context.cameras.select(is_seen)
    return replace(context, rendering=rendering, cameras=cameras, pairs=None)


def diverged(step: int, what: str) -> LimbeckError:
    """Return the error of a run that cannot go on."""
    remedy = "lower guidance_scale, an energy's weight or the learning rates, or try another seed"
    return LimbeckError("E_DIVERGED", f"at step {step} {what}", remedy)


def _reference_loss(
    state: RunState, recipe: Recipe, scene: Scene, background: float, progress: float
) -> Float[Tensor, ""]:
    """Return the weighted squared error to drawn references, the picture that the run starts from, and posed pictures.

    Each is seen over its own background where that is known, posed pictures over the step's.
    """
    weight = recipe.references.weight(progress) if recipe.references else 0.0
    total = torch.zeros((), device=scene.device)
    for images, weighing in ((scene.references, weight), (scene.picture, recipe.picture_weight(progress))):
        if images is None or weighing == 0.0:
            continue
        seen_over = background if images.background is None else images.background
        rendering = state.representation.render(images.cameras, seen_over)
        total = total + weighing * photometric_loss(rendering.rgb, images.rgb)
    weight = recipe.photometric_weight(progress)
    if scene.targets is not None and weight:
        due = scene.targets.turn(state.step, recipe.views)
        rgb = state.representation.render(due.cameras, background).rgb
        total = total + weight * target_loss(rgb, due, background)
    return total


def _background(recipe: Recipe, scene: Scene, generator: torch.Generator) -> float:
    if recipe.background is not None:
        return recipe.background
    low, high = scene.priors[recipe.terms[0].prior].prior.spec.background or (0.0, 1.0)
    return low + (high - low) * float(torch.rand((), generator=generator))


def _finish_step(state: RunState, recipe: Recipe, rendering: Rendering) -> None:
    """Apply the gradients, and let the representation change with the run."""
    state.optimizer.step()
    state.step += 1
    moment = Moment(min(state.step, recipe.steps), recipe.steps, state.generators["densify"])
    state.representation.after_step(state.optimizer, rendering, moment)
    if state.step == recipe.steps and recipe.refine:
        size = rendering.rgb.shape[-1]
        generator = state.generators["refine"]
        state.representation = free_mesh(state.representation, recipe.mesh, generator, render_size=size)
        state.optimizer = make_optimizer(state.representation, recipe)
