# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What an experiment is: arms that see the same prompts and seeds, and how a profile cuts it down. Imports no torch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from limbeck.errors import LimbeckError

if TYPE_CHECKING:
    from limbeck.config import Recipe

PROMPTS = (
    "a blue penguin",
    "a green frog",
    "a yellow duck",
    "a red chair",
    "an orange cat",
    "a white owl",
    "a purple teddy bear",
    "a turquoise robot",
)
"""Objects whose front cannot be taken for another side, in colours that the priors were trained on."""
NO_OVERRIDES: Mapping[str, Any] = MappingProxyType({})
EMBEDDED = "embedded"


@dataclass(frozen=True)
class Arm:
    """One way to make the same assets.

    Attributes:
        name: as tables show it.
        recipe: whose settings it starts from.
        overrides: what ``--set`` would change, in order.
        prior: ``embedded``, or the name of a folder below ``--priors``.
        picture: which picture of the toy the run is given, if any: ``true`` is the plain toy's front, ``odd:K`` that of
            a striped or spotted one, the K-th, which the prompt does not name.
    """

    name: str
    recipe: str
    overrides: Mapping[str, Any] = field(default_factory=lambda: NO_OVERRIDES)
    prior: str = EMBEDDED
    picture: str = ""


@dataclass(frozen=True)
class Experiment:
    """Arms to be compared.

    Attributes:
        name: of the experiment.
        claim: what a paper says, with its figures where it has any.
        arms: in the order of the tables.
        base: the arm that the others are compared with, run by run.
        tracks: whether geometry is measured on the way as well.
    """

    name: str
    claim: str
    arms: tuple[Arm, ...]
    base: str
    tracks: bool = False

    def __post_init__(self) -> None:
        """Refuse arms of one name, and a base that is none of them."""
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names) or self.base not in names:
            raise ValueError(f"expected arms of different names, among them {self.base!r}, got {names}")


@dataclass(frozen=True)
class Profile:
    """How much of an experiment is run.

    Attributes:
        seeds, prompts: how many of each.
        steps: of every run; all arms take as many.
    """

    name: str
    seeds: int
    prompts: int
    steps: int


PROFILES: Mapping[str, Profile] = {
    "quick": Profile("quick", seeds=2, prompts=4, steps=150),
    "full": Profile("full", seeds=5, prompts=8, steps=400),
}


def find_experiment(name: str) -> Experiment:
    """Return the experiment of that name.

    Raises:
        LimbeckError: E_NOT_FOUND, with the nearest name.
    """
    from limbeck.lab.catalogue import EXPERIMENTS  # noqa: PLC0415 - it is made of what this file defines

    if name in EXPERIMENTS:
        return EXPERIMENTS[name]
    near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    message = f"expected one of the experiments {', '.join(EXPERIMENTS)}, got {name!r}"
    raise LimbeckError("E_NOT_FOUND", message, f"{hint}run 'limbeck lab list' for what each claims")


def chosen_arms(experiment: Experiment, names: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms of those names in the experiment's order; all of them where none is named.

    Raises:
        LimbeckError: E_NOT_FOUND.
    """
    known = [arm.name for arm in experiment.arms]
    for name in names:
        if name not in known:
            message = f"expected arms of {experiment.name} ({', '.join(known)}), got {name!r}"
            raise LimbeckError("E_NOT_FOUND", message, f"leave out --arms to run all of {experiment.name}")
    return tuple(arm for arm in experiment.arms if not names or arm.name in names)


def prior_source(arm: Arm, priors: Path | None) -> str:
    """Return what the arm's prior is loaded from.

    Raises:
        LimbeckError: E_MODEL_MISSING if its folder is not there.
    """
    if arm.prior == EMBEDDED:
        return EMBEDDED
    folder = (priors or Path("priors")) / arm.prior
    missing = [name for name in ("prior.json", "text_to_image") if not (folder / name).exists()]
    if not missing:
        return str(folder)
    message = f"expected the prior {arm.prior!r} in {folder}, which has no {' and no '.join(missing)}"
    remedy = "train it as docs/lab.md says, and name the folder that it is in with --priors"
    raise LimbeckError("E_MODEL_MISSING", message, remedy)


def arm_recipe(arm: Arm, steps: int) -> Recipe:
    """Return the arm's recipe for that many steps. Imports torch.

    Raises:
        LimbeckError: E_RECIPE_UNKNOWN, E_SETTING_UNKNOWN, E_RECIPE_INVALID.
    """
    from limbeck.config import override  # noqa: PLC0415
    from limbeck.generate import with_steps  # noqa: PLC0415
    from limbeck.recipes import load_recipe  # noqa: PLC0415

    return with_steps(override(load_recipe(arm.recipe), arm.overrides), steps)
