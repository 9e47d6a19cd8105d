# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs an experiment: every arm with the same prompts and seeds, each finished run on the disk before the next begins.

A run that the result file already has, of the same recipe and weights, is not made again. An arm whose recipe or prior
cannot be used is noted, and the others go on.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from limbeck.config import Recipe, recipe_to_plain
from limbeck.errors import LimbeckError
from limbeck.evaluation.loading import Judges
from limbeck.image_use import require_image
from limbeck.lab.experiments import Arm, Experiment, Profile, arm_recipe, prior_source
from limbeck.lab.run import Bench, RunSettings, run_cell
from limbeck.lab.toys import references_of, toy_of
from limbeck.optimisation.initial import require_start
from limbeck.priors.locating import role_folder
from limbeck.results import Results, ResultsKind, open_results

NAME, VERSION = "lab", 1
"""Of result files; the version changes whenever a measure would no longer mean the same."""
ABORTING = ("E_DISK_FULL", "E_OUTPUT_UNWRITABLE", "E_OUT_OF_MEMORY", "E_USAGE")
"""Errors that no other arm would escape."""


@dataclass(frozen=True)
class LabSettings:
    """What to run.

    Attributes:
        experiment, arms: arms of the experiment, in its order.
        profile: whose steps every run takes.
        seeds: how many; they are 0, 1, 2 and so on.
        prompts: of the lab's toys.
        folder: where results go.
        priors: folder of priors that are not embedded.
        device: as for ``generate``.
    """

    experiment: Experiment
    arms: tuple[Arm, ...]
    profile: Profile
    seeds: int
    prompts: tuple[str, ...]
    folder: Path
    priors: Path | None = None
    device: str = "auto"

    @property
    def results_path(self) -> Path:
        """The result file of this experiment and profile."""
        return results_path(self.folder, self.experiment.name, self.profile.name)


@dataclass(frozen=True)
class LabProgress:
    """Where an experiment is.

    Attributes:
        done, total: runs, those of earlier calls included.
        arm, prompt, seed: of the run in progress.
        step, steps: of that run.
        seconds_left: of the whole, by the runs of this call; None before the first has ended.
    """

    done: int
    total: int
    arm: str
    prompt: str
    seed: int
    step: int
    steps: int
    seconds_left: float | None


@dataclass(frozen=True)
class ReadyArm:
    """An arm that can be run."""

    arm: Arm
    recipe: Recipe
    source: str
    fingerprint: str


@dataclass
class Digests:
    """Hashes of the weights in folders, each read once."""

    _found: dict[Path, str] = field(default_factory=dict)

    def of(self, folder: Path) -> str:
        """Return a hash of all weights in a folder."""
        if folder not in self._found:
            digest = hashlib.sha256()
            for path in sorted(folder.rglob("*.safetensors")):
                digest.update(path.read_bytes())
            self._found[folder] = digest.hexdigest()
        return self._found[folder]


def results_path(folder: Path, experiment: str, profile: str) -> Path:
    """Return where an experiment's results are."""
    return folder / f"{experiment}-{profile}.jsonl"


def run_experiment(settings: LabSettings, tell: Callable[[LabProgress], None]) -> Results:
    """Make the runs that are missing and return all rows.

    Raises:
        LimbeckError: E_USAGE for a prompt that is no toy's, E_RESULTS, E_OUTPUT_UNWRITABLE, E_DISK_FULL; and what no
            other arm would escape. What was finished before stays.
    """
    toys = [toy_of(prompt) for prompt in settings.prompts]
    _make_folder(settings.folder)
    kind = ResultsKind(NAME, VERSION, {"experiment": settings.experiment.name, "profile": settings.profile.name})
    results = open_results(settings.results_path, kind)
    digests, ready = Digests(), list[ReadyArm]()
    for arm in settings.arms:
        try:
            ready.append(_prepared(arm, settings, digests))
            require_image(ready[-1].recipe, references_of(toys[0], arm.picture))
        except LimbeckError as error:
            ready = [one for one in ready if one.arm is not arm]
            results.append(_refusal(arm, error))
    _run_missing(settings, ready, results, tell)
    return results


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"cannot make the folder {folder} ({error.strerror or error})"
        raise LimbeckError("E_OUTPUT_UNWRITABLE", message, "choose a folder that you may write to") from error


def _prepared(arm: Arm, settings: LabSettings, digests: Digests) -> ReadyArm:
    """Return the arm's recipe and where its priors are.

    Raises:
        LimbeckError: of a recipe or a prior that cannot be used.
    """
    source = prior_source(arm, settings.priors)
    recipe = arm_recipe(arm, settings.profile.steps)
    require_start(recipe, None)
    weights = [digests.of(role_folder(source, role)) for role in recipe.roles]
    what = json.dumps([recipe_to_plain(recipe), weights, arm.picture, VERSION], sort_keys=True)
    return ReadyArm(arm, recipe, source, hashlib.sha256(what.encode()).hexdigest()[:16])


def _refusal(arm: Arm, error: LimbeckError) -> dict[str, Any]:
    return {"kind": "refused", "arm": arm.name, "code": error.code, "message": error.message, "remedy": error.remedy}


def _run_missing(
    settings: LabSettings, ready: Sequence[ReadyArm], results: Results, tell: Callable[[LabProgress], None]
) -> None:
    done = {_key(row) for row in results.rows if row["kind"] == "run"}
    cells = [(seed, prompt, one) for seed, prompt, one in product(range(settings.seeds), settings.prompts, ready)]
    missing = [cell for cell in cells if (cell[2].arm.name, cell[1], cell[0], cell[2].fingerprint) not in done]
    bench, refused, spent = Bench(Judges.load()), set[str](), list[float]()
    for index, (seed, prompt, one) in enumerate(missing):
        if one.arm.name in refused:
            continue
        left = None if not spent else sum(spent) / len(spent) * (len(missing) - index)
        where = (len(cells) - len(missing) + index, len(cells), one.arm.name, prompt, seed)
        begun = time.perf_counter()
        cell = RunSettings(
            one.arm.name,
            prompt,
            seed,
            one.recipe,
            one.source,
            one.arm.picture,
            settings.experiment.tracks,
            settings.device,
        )
        try:
            row = run_cell(cell, bench, _told(tell, where, left))
        except LimbeckError as error:
            if error.code in ABORTING:
                raise
            refused.add(one.arm.name)
            results.append(_refusal(one.arm, error))
            continue
        spent.append(time.perf_counter() - begun)
        named = {"kind": "run", "arm": one.arm.name, "prompt": prompt, "seed": seed, "fingerprint": one.fingerprint}
        results.append({**named, "steps": one.recipe.all_steps, "seconds": round(spent[-1], 2), **row})


def _told(
    tell: Callable[[LabProgress], None], where: tuple[int, int, str, str, int], left: float | None
) -> Callable[[int, int], None]:
    return lambda step, steps: tell(LabProgress(*where, step, steps, left))


def _key(row: Mapping[str, Any]) -> tuple[str, str, int, str]:
    return row["arm"], row["prompt"], row["seed"], row["fingerprint"]


def newest_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the runs of each arm's newest settings, and the refusals that no later run of the arm has undone."""
    newest = {row["arm"]: row for row in rows}
    marks = {row["arm"]: row["fingerprint"] for row in rows if row["kind"] == "run"}
    for row in rows:
        is_of_newest = row["kind"] == "run" and row["fingerprint"] == marks[row["arm"]]
        if is_of_newest or (row["kind"] == "refused" and row is newest[row["arm"]]):
            yield row
