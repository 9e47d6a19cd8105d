# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One run of an arm: an asset by the product's own ``generate``, and the row of figures that it leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cosine_similarity

from limbeck.assets.mesh import Mesh
from limbeck.config import Recipe
from limbeck.controls import Controls
from limbeck.errors import LimbeckError
from limbeck.evaluation.loading import Judges
from limbeck.events import Asset, Event, Finished, Preview, Progress
from limbeck.generate import GenerationSettings, generate
from limbeck.lab.costs import PassCounter, StepWatch, cost_figures, counted
from limbeck.lab.geometry import compare_geometry
from limbeck.lab.looks import Pictures, look_at, mesh_pictures, strip
from limbeck.lab.toys import pictured_toy, references_of, toy_of
from limbeck.playset.solids import Solids
from limbeck.playset.things import Thing, build
from limbeck.shelf import Shelf

FACES = 10_000
TRACKED = 6
"""Moments of a run at which geometry is measured where the experiment asks for it."""
TRACKING_POINTS = 1000
"""For the Chamfer distance there, which fewer points make larger: compare it with itself alone."""
OUTCOMES = ("E_DIVERGED", "E_NOT_FINITE", "E_EMPTY", "E_FACES_TOO_FEW")
"""Ends of a run that are results: another try would end alike."""
TIMES = ("seconds", "seconds_per_step", "cpu_seconds_per_step")
"""What differs from one run of the same seed to the next."""
OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class RunSettings:
    """One cell of an experiment.

    Attributes:
        arm, prompt, seed: which one.
        recipe: in full, its steps set.
        source: what its priors are loaded from.
        picture: as ``experiments.Arm`` says.
        tracks: whether to measure geometry on the way.
        device: as for ``generate``.
    """

    arm: str
    prompt: str
    seed: int
    recipe: Recipe
    source: str
    picture: str = ""
    tracks: bool = False
    device: str = "auto"


@dataclass
class Bench:
    """What all runs of a process share: judges, and models that stay loaded."""

    judges: Judges
    shelf: Shelf = field(default_factory=Shelf)


def run_cell(settings: RunSettings, bench: Bench, on_step: OnStep) -> dict[str, Any]:
    """Make the asset and measure it; a run that diverges or ends empty is a row, too, without success.

    Raises:
        LimbeckError: of a recipe, a prior or a picture that cannot be used.
    """
    thing = toy_of(settings.prompt)
    truth = pictured_toy(thing, settings.picture)
    watch, curve = StepWatch(), list[list[float]]()
    with counted() as counter:
        try:
            asset = _made(settings, thing, bench, (watch, counter, curve), on_step)
        except LimbeckError as error:
            if error.code not in OUTCOMES:
                raise
            return _failed(error)
    costs = asdict(cost_figures(settings.recipe, counter, watch))
    return _measured(asset.mesh, truth, settings.picture, bench.judges) | costs | {"curve": curve}


def _made(
    settings: RunSettings,
    thing: Thing,
    bench: Bench,
    seen: tuple[StepWatch, PassCounter, list[list[float]]],
    on_step: OnStep,
) -> Asset:
    watch, counter, curve = seen
    solids = build(pictured_toy(thing, settings.picture))
    for event in _events(settings, thing, bench, watch):
        match event:
            case Progress("optimising", 0, _):
                counter.reset()
                watch.begin()
            case Preview(step, mesh):
                curve.append(_on_the_way(step, mesh, solids))
            case Finished(asset):
                return asset
        if watch.reports:
            on_step(watch.reports[-1].step, settings.recipe.all_steps)
    raise RuntimeError("the run ended without an asset")


def _events(settings: RunSettings, thing: Thing, bench: Bench, watch: StepWatch) -> Iterator[Event]:
    job = GenerationSettings(
        prompt=settings.prompt,
        recipe=settings.recipe,
        prior=settings.source,
        seed=settings.seed,
        faces=FACES,
        texture_size=0,
        device=settings.device,
        previews=TRACKED if settings.tracks else 0,
        references=references_of(thing, settings.picture),
    )
    return generate(job, controls=Controls(shelf=bench.shelf, sees_step=watch))


def _on_the_way(step: int, mesh: Mesh, solids: Solids) -> list[float]:
    found = compare_geometry(mesh, solids, points=TRACKING_POINTS)
    return [step, found.chamfer, found.iou]


def _measured(mesh: Mesh, truth: Thing, picture: str, judges: Judges) -> dict[str, Any]:
    pictures = mesh_pictures(mesh)
    embeddings = _embeddings(pictures, judges)
    middle = [round(value, 4) for value in embeddings.mean(0).tolist()]
    found = asdict(compare_geometry(mesh, build(truth))) | asdict(look_at(pictures, truth, judges))
    return {
        "error": None,
        **found,
        "likeness": _likeness(embeddings, truth, judges) if picture else None,
        "embedding": middle,
        "strip": strip(pictures),
    }


@torch.no_grad()
def _embeddings(pictures: Pictures, judges: Judges) -> torch.Tensor:
    return judges.classifier.embedding(torch.from_numpy(np.ascontiguousarray(pictures.rgb.transpose(0, 3, 1, 2))))


@torch.no_grad()
def _likeness(embeddings: torch.Tensor, truth: Thing, judges: Judges) -> float:
    """Return the best cosine similarity of a view and the picture that the run was given, as the classifier sees them.

    The best of all views: where the front is, is another question.
    """
    (reference,) = references_of(truth, "true")
    rgba = torch.from_numpy(reference.rgba).float() / 255
    rgb = (rgba[..., :3] * rgba[..., 3:] + 0.87 * (1 - rgba[..., 3:])).permute(2, 0, 1)[None]
    return round(float(cosine_similarity(embeddings, judges.classifier.embedding(rgb)).max()), 4)


def _failed(error: LimbeckError) -> dict[str, Any]:
    """Return the row of a run that made nothing."""
    return {
        "error": {"code": error.code, "message": error.message},
        "success": False,
        "fronts": "none",
        "object_share": 0.0,
        "color_share": 0.0,
        "curve": [],
    }


def without_times(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a row is the same whenever the same run is made on the same machine."""
    return {name: value for name, value in row.items() if name not in TIMES}
