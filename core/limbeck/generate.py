# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Prompt to asset: the whole story on one page.

    priors -> prompt embeddings -> optimisation, with previews and checkpoints on the way -> mesh -> asset

``generate`` is a generator. Whoever iterates it decides when to stop: closing it between two events cancels the run.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch

from limbeck.assets.mesh import Mesh, ground_point
from limbeck.assets.quality import boundary_edges
from limbeck.assets.simplify import require_budget
from limbeck.assets.texture import require_texture_memory, require_texture_size
from limbeck.config import Recipe
from limbeck.controls import Controls
from limbeck.devices import choose_device
from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.guide import guide_from
from limbeck.distillation.references import PosedImages, draw_references
from limbeck.errors import LimbeckError
from limbeck.events import Asset, Checkpoint, Event, Finished, Preview, Progress, Warned
from limbeck.fitting import Ladder, Shrunk, optimise_within, out_of_memory, tried
from limbeck.framing import Reference
from limbeck.image_use import chosen_prompt, image_warnings, require_image
from limbeck.meshing import final_mesh, placed, placed_cloud, preview_mesh
from limbeck.metadata import metadata
from limbeck.models import Cast, Spoken, load_cast, require_models
from limbeck.optimisation.initial import require_start
from limbeck.optimisation.loop import Scene, StepReport
from limbeck.optimisation.state import RunState, initial_state, restored_state, state_to_tensors
from limbeck.planning.machine import plan_run
from limbeck.planning.room import Room
from limbeck.priors.compiling import CompileChoice
from limbeck.priors.diffusion import DiffusionPrior
from limbeck.priors.prior import Role
from limbeck.prompts import unknown_words
from limbeck.randomness import seeded_generators
from limbeck.representations.shape import Shape
from limbeck.rigs import Placement, Rig
from limbeck.warming import warmed_up

LEAST_SHARED_NOISE = 0.25
"""Share of 3D-consistent noise that two views see below which a run is warned: neighbours 5 degrees apart share 0.8,
eight views round an object 0.4, four 0.1 to 0.2, two less than 0.05."""


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
        references: the user's pictures: image prompts, and photometric targets at their cameras.
        compile: whether to compile the models' blocks (``priors.compiling``); ``auto`` does for long runs on CUDA.
        start: the shape to start from, in the unit ball; None is a ball of fog. With representation=mesh it is what the
            run paints, and the asset has its very vertices and faces.
        room: the memory that the run may take; None is what the machine has left.

    Raises:
        LimbeckError: E_FACES_TOO_FEW, E_TEXTURE_SIZE.
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
    references: tuple[Reference, ...] = ()
    start: Shape | None = None
    room: Room | None = None
    compile: CompileChoice = "auto"

    def __post_init__(self) -> None:
        """Refuse what would fail only once the shape is made."""
        require_budget(self.faces)
        require_texture_size(self.texture_size)
        if self.recipe.texture.normal_map and not self.texture_size:
            message = "expected a texture for texture.normal_map, got a format or a texture_size without"
            raise LimbeckError("E_TEXTURE_SIZE", message, "make a GLB or an OBJ with a texture, or no normal map")


def generate(
    settings: GenerationSettings, resume: Checkpoint | None = None, controls: Controls | None = None
) -> Generator[Event, None, None]:
    """Run to the end, yielding what happens on the way; the last event is ``Finished``.

    Args:
        settings: the run.
        resume: a checkpoint to go on from: of the same settings for the same result, or of others that make
            parameters of the same names and shapes.
        controls: what is wanted on the way, such as checkpoints at certain times, or an early end.

    Raises:
        LimbeckError: before any step E_MODEL_UNKNOWN, E_MODEL_INCOMPLETE, E_MODEL_MISSING, E_RECIPE_INVALID, E_DEVICE,
            E_GSPLAT_MISSING, E_OUT_OF_MEMORY, E_CHECKPOINT_MISMATCH, E_MEMORY; later E_DIVERGED, E_EMPTY, E_NOT_FINITE,
            E_FACES_TOO_FEW where the surface found only breaks in so few faces, and where memory runs out in the
            smallest profile E_OUT_OF_MEMORY or E_GPU_OOM.
    """
    require_texture_memory(settings.texture_size)
    require_image(settings.recipe, settings.references)
    require_start(settings.recipe, settings.start)
    require_models(settings.recipe, settings.prior)
    device = choose_device(settings.device)
    recipe = settings.recipe
    yield Progress("loading", 0, 0, f"the {settings.prior} prior")
    controls = controls or Controls()
    ladder = _ladder(settings, device)
    if ladder.warning():
        yield Warned("W_MEMORY", ladder.warning() or "")
    models = yield from tried(lambda: _load(settings, device, controls, ladder), ladder, device)
    yield from _prompt_warnings(settings, models)
    yield from image_warnings(settings.recipe, settings.references)
    yield from warmed_up(settings.compile, recipe, models, device)
    state = initial_state(recipe, settings.seed, device, models.speakers, settings.start)
    references = _draw_references(state, settings, models, device)
    if resume is not None:
        state = restored_state(resume.tensors, recipe, device, models.speakers)
    guide = guide_from(settings.start, device) if settings.start and recipe.start_setting else None
    held_to = (models.picture, models.targets)
    scene = Scene(settings.rig or recipe.rig, models.speakers, references, device, models.critics, *held_to, guide)
    yield from _optimise(state, settings, scene, controls, ladder)
    yield Progress("extracting", 0, 0, "the mesh and its texture" if settings.texture_size else "the mesh")
    mesh = _final_mesh(state, settings, models)
    if settings.texture_size and mesh.texture is None:
        yield Warned("W_NO_TEXTURE", "the surface could not be laid flat: the asset has vertex colours only")
    elif recipe.texture.normal_map and mesh.texture is not None and mesh.texture.normal_map is None:
        yield Warned("W_NO_NORMAL_MAP", "the whole surface fits the face budget: a normal map would be flat")
    cloud = placed_cloud(state.representation.cloud(), settings.placement)
    found = {"pivot": _pivot(mesh, settings), "boundary_edges": boundary_edges(mesh)}
    stopped = {"stopped_at_step": state.step} if state.step < recipe.all_steps else {}
    yield Finished(Asset(mesh, cloud, metadata(settings, models) | found | stopped))


def _locked(settings: GenerationSettings) -> Mesh | None:
    """Return the mesh that the run may paint but not move, if there is one."""
    return settings.start.original if settings.recipe.representation == "mesh" and settings.start else None


def _pivot(mesh: Mesh, settings: GenerationSettings) -> list[float] | None:
    """Return where the asset's own origin should be: on the ground below it. A locked mesh keeps the one it has."""
    return list(ground_point(mesh)) if _locked(settings) is None else None


def _final_mesh(state: RunState, settings: GenerationSettings, models: Cast) -> Mesh:
    recipe = settings.recipe
    size = round(recipe.render_size(1.0)) or models.speakers[recipe.terms[0].prior].prior.spec.image_size
    budget = (settings.faces, settings.texture_size)
    mesh = final_mesh(state.representation, *budget, render_size=size, texture=recipe.texture)
    original = _locked(settings)
    if original is not None:  # not moved there and back: every bit of a locked geometry stays
        return replace(mesh, vertices=original.vertices, faces=original.faces)
    return placed(mesh, settings.placement)


def _ladder(settings: GenerationSettings, device: torch.device) -> Ladder:
    """Plan the run; what memory it needs is known before anything is loaded."""
    known = {"has_negative": bool(settings.negative_prompt), "texture_size": settings.texture_size}
    return Ladder.of(plan_run(settings.recipe, settings.prior, device, room=settings.room, **known))


def _load(settings: GenerationSettings, device: torch.device, controls: Controls, ladder: Ladder) -> Cast:
    spoken = Spoken(settings.prompt, settings.negative_prompt, settings.references)
    drawing = seeded_generators(settings.seed)["image"]
    return load_cast(settings.recipe, settings.prior, spoken, drawing, device, controls.shelf, ladder.profile)


def _draw_references(
    state: RunState, settings: GenerationSettings, models: Cast, device: torch.device
) -> PosedImages | None:
    """Draw the recipe's references; a resumed run draws the same ones, as their generator starts from the seed.

    The user's picture is the front, if there is one that was seen from there.
    """
    drawn = settings.recipe.references
    if drawn is None:
        return None
    roles: tuple[Role, ...] = ("multi_view", "text_to_image")
    speakers: dict[Role, Conditioned] = {role: models.text(role) for role in roles}
    given = models.picture if chosen_prompt(settings.references) else None
    front_rgb = None if given is None else given.rgb
    return draw_references(drawn, speakers, state.generators["references"], device, front_rgb)


def _prompt_warnings(settings: GenerationSettings, models: Cast) -> Iterator[Warned]:
    readers = [speaker for speaker in models.speakers.values() if isinstance(speaker, Conditioned)]
    if not readers:
        return
    first = models.speakers[settings.recipe.terms[0].prior]
    reader = first if isinstance(first, Conditioned) else readers[0]
    spec = reader.prior.spec
    troubles = {it.prior.text_encoder.trouble for it in readers if isinstance(it.prior, DiffusionPrior)} - {""}
    for trouble in sorted(troubles):
        yield Warned("W_EMBEDDINGS_NOT_KEPT", f"the next run must read the prompt again: {trouble}")
    if reader.prompt != settings.prompt:
        yield Warned("W_PROMPT_TRUNCATED", f"the prompt is too long for the prior, which reads {reader.prompt!r}")
    if spec.known_words is None:
        return
    unknown = unknown_words(f"{settings.prompt} {settings.negative_prompt}", spec.known_words)
    if unknown:
        known = ", ".join(spec.subjects)
        message = f"the {settings.prior} prior does not know {', '.join(map(repr, unknown))}; it knows {known}"
        yield Warned("W_UNKNOWN_WORDS", message)


def _optimise(
    state: RunState, settings: GenerationSettings, scene: Scene, controls: Controls, ladder: Ladder
) -> Iterator[Event]:
    recipe = settings.recipe
    yield Progress("optimising", state.step, recipe.all_steps)
    checkpoint: int | None = None
    is_warned = False
    reports = optimise_within(state, recipe, scene, ladder)
    while not (state.step and controls.wants_finish()):
        report = _next_report(reports, checkpoint)
        if report is None:
            return
        if isinstance(report, Shrunk):
            yield Warned("W_MEMORY", report.told())
            continue
        controls.sees_step(report)
        if not is_warned and report.shared_noise is not None and report.shared_noise < LEAST_SHARED_NOISE:
            is_warned = True
            yield _noise_warning(report.shared_noise)
        shape = f"{report.elements} {state.representation.noun}"
        yield Progress("optimising", report.step, recipe.all_steps, f"{shape}, residual {report.residuals[0]:.2f}")
        is_wanted = controls.wants_preview(report.step, recipe.all_steps)
        if is_wanted or _is_nth(report.step, recipe.all_steps, settings.previews):
            yield from _preview(state, settings)
        is_nth = _is_nth(report.step, recipe.all_steps, settings.checkpoints)
        if controls.wants_checkpoint(report.step, recipe.all_steps) or is_nth:
            checkpoint = report.step
            yield Checkpoint(report.step, state_to_tensors(state))


def _preview(state: RunState, settings: GenerationSettings) -> Iterator[Event]:
    """Show the mesh as it stands; a run that has no memory for that goes on without."""
    try:
        mesh = preview_mesh(state.representation)
    except (RuntimeError, MemoryError) as error:
        yield Warned("W_MEMORY", f"no preview of step {state.step}: {out_of_memory(error)}")
        return
    if not mesh.is_empty:
        yield Preview(state.step, placed(mesh, settings.placement))


def _noise_warning(shared: float) -> Warned:
    message = (
        f"the views of a step share {shared:.0%} of their 3D-consistent noise, which is then little more than ordinary "
        "noise; give each a neighbour with --set neighbours_deg=5"
    )
    return Warned("W_NOISE_NOT_SHARED", message)


def _next_report(reports: Iterator[StepReport | Shrunk], checkpoint: int | None) -> StepReport | Shrunk | None:
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


def with_steps(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with another number of steps; its schedules, which are in progress, and ``refine`` follow."""
    return replace(recipe, steps=steps, refine=math.ceil(recipe.refine * steps / recipe.steps))
