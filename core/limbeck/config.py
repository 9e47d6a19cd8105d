# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe as plain frozen data: composed, printed, edited, saved with the asset and replayed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from limbeck.assets.texture import TextureSettings
from limbeck.distillation.guidance import MultiStepSwitch, PerpNegSwitch, Switch
from limbeck.distillation.references import DrawnImage, DrawnReferences
from limbeck.distillation.regularisers import Regularisers
from limbeck.distillation.term import AnyRole, ConsistencySwitch, Energies, Noise, Term, Variate, read_energies
from limbeck.errors import LimbeckError
from limbeck.representations.densify import DensifySettings
from limbeck.representations.field.settings import FieldSettings
from limbeck.representations.gaussians import GaussianSettings
from limbeck.representations.meshes.settings import MeshSettings
from limbeck.representations.representation import Kind
from limbeck.rigs import OrbitRig
from limbeck.schedules import Schedule, constant
from limbeck.validity import require_penalties, require_possible, require_possible_views


@dataclass(frozen=True)
class Recipe:
    """An objective and its optimisation schedule.

    Attributes:
        steps: optimisation steps of a full run; ``--steps`` replaces it and every schedule follows.
        views: images per step.
        neighbours_deg: the second half of the views are the first turned by this much (GSD), or 0 for none.
        render_size: pixels per side over the run, or 0 for the prior's own image size.
        encoder: what makes latents of the renders: the prior's ``own`` autoencoder, or ``taesd`` for drafts.
        background: grey level in 0 to 1 behind the renders, or None for the prior's own (or random, if it has none).
        terms: the objective; at least one.
        adam_betas: of the optimiser.
        representation: what is optimised: ``gaussians`` (set by ``gaussians`` and ``densify``), a ``field``, or the
            ``mesh`` that the run starts from, whose geometry is locked.
        refine: steps after the others in which the extracted mesh itself is optimised, vertices and colours
            (Magic3D, Fantasia3D), with all schedules at their ends.
        references: views drawn from the priors before the run, if any.
        drawn_image: how the image prompt is drawn where the user gives none; None needs the user's.
        picture_weight: of the squared error to the image prompt at its own camera, over the run.
        photometric_weight: of the squared error to the user's posed pictures at their cameras, over the run; each
            picture's own weight multiplies it.
        texture: how the asset's colours and texture are made.
    """

    name: str
    paper: str
    summary: str
    terms: tuple[Term, ...]
    steps: int = 400
    views: int = 4
    neighbours_deg: float = 0.0
    render_size: Schedule = constant(0)
    encoder: Literal["own", "taesd"] = "own"
    background: float | None = None
    adam_betas: tuple[float, float] = (0.9, 0.99)
    representation: Kind = "gaussians"
    refine: int = 0
    references: DrawnReferences | None = None
    drawn_image: Annotated[DrawnImage | None, Switch] = None
    picture_weight: Schedule = constant(0.0)
    photometric_weight: Schedule = constant(2.0)
    rig: OrbitRig = OrbitRig()
    regularisers: Regularisers = Regularisers()
    gaussians: GaussianSettings = GaussianSettings()
    densify: DensifySettings = DensifySettings()
    field: FieldSettings = FieldSettings()
    mesh: MeshSettings = MeshSettings()
    texture: TextureSettings = TextureSettings()

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what no run can do."""
        if not self.terms:
            raise ValueError("expected at least one term, got none")
        if not 1 <= self.steps <= 1_000_000:
            raise ValueError(f"expected 1 to 1,000,000 steps, got {self.steps}")
        if not 1 <= self.views <= 64:
            raise ValueError(f"expected 1 to 64 views a step, got {self.views}")
        if not 0 <= self.refine <= 1_000_000:
            raise ValueError(f"expected 0 to 1,000,000 steps to refine, got {self.refine}")
        if self.texture.normal_map and self.representation == "mesh":
            raise ValueError("expected no texture.normal_map for representation=mesh: no denser surface is behind it")
        if self.refine and self.representation == "mesh":
            raise ValueError(f"expected refine=0 for representation=mesh, whose geometry is locked, got {self.refine}")
        sizes = [size for _, size in self.render_size.points]
        if sizes != [0] and not all(8 <= size <= 2048 for size in sizes):
            raise ValueError(f"expected a render_size of 8 to 2048 pixels, or 0, got {sizes}")
        if not -180 <= self.neighbours_deg <= 180:
            raise ValueError(f"expected neighbours_deg from -180 to 180, got {self.neighbours_deg}")
        if self.background is not None and not 0 <= self.background <= 1:
            raise ValueError(f"expected a background from 0 to 1, got {self.background}")
        if not all(0 <= beta < 1 for beta in self.adam_betas):
            raise ValueError(f"expected adam_betas from 0 to below 1, got {self.adam_betas}")
        for index, term in enumerate(self.terms):
            require_possible(f"terms.{index}", term)
        require_penalties(self.representation, self.regularisers.used)
        require_possible_views(self.terms, self.views, self.neighbours_deg)

    @property
    def all_steps(self) -> int:
        """Steps of the run, those that refine included."""
        return self.steps + self.refine

    @property
    def needs_orthogonal_views(self) -> bool:
        """Whether any term looks at four views of one object at once."""
        return any(term.needs_orthogonal_views for term in self.terms)

    @property
    def start_setting(self) -> str | None:
        """The first setting by which a term looks at the shape that the run starts from; None if none does."""
        found = ((index, term.start_setting) for index, term in enumerate(self.terms))
        return next((f"terms.{index}.{setting}" for index, setting in found if setting), None)

    @property
    def needs_image(self) -> bool:
        """Whether no run is without a picture: a term looks at it, or the render is held to it and nothing drawn."""
        shown = ("image_prompt", "novel_view")
        is_held_to = any(weight for _, weight in self.picture_weight.points) and self.references is None
        return is_held_to or any(term.prior in shown or "reference" in term.critics for term in self.terms)

    @property
    def takes_image(self) -> bool:
        """Whether a picture without camera would be looked at, needed or not: drawn references begin with it."""
        return self.needs_image or self.references is not None

    @property
    def roles(self) -> tuple[AnyRole, ...]:
        """Which models a run needs: its terms', its energies', and those that draw references."""
        found: list[AnyRole] = [term.prior for term in self.terms]
        found.extend(cast("AnyRole", role) for term in self.terms for role in term.critics if role != "reference")
        if self.references:
            found.extend(("multi_view", "text_to_image"))
        if self.needs_image and self.drawn_image:
            found.append("text_to_image")
        return tuple(dict.fromkeys(found))


SHORT_NAMES: Mapping[str, str] = {
    "guidance_scale": "guidance.scale",
    "perp_neg": "guidance.perp_neg",
    "t_min": "timesteps.t_min",
    "t_max": "timesteps.t_max",
}
"""Vocabulary of ``--set`` whose path in a term is longer than its name."""

_PARTS: Mapping[str, TypeAdapter[Any]] = {
    "noise": TypeAdapter(Noise),
    "variate": TypeAdapter(Variate),
    "energies": TypeAdapter(Energies),
    "consistency": TypeAdapter(ConsistencySwitch),
    "perp_neg": TypeAdapter(PerpNegSwitch),
    "multi_step": TypeAdapter(MultiStepSwitch),
    "drawn_image": TypeAdapter(Annotated[DrawnImage | None, Switch]),
}
"""Parts that a word or a number can set; their defaults are filled in at once, so that later keys reach them."""
_RECIPE = TypeAdapter(Recipe)
_TERM_FIELDS = frozenset(field.name for field in fields(Term))


def recipe_to_plain(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as JSON-ready data; ``recipe_from_plain`` inverts it."""
    return _RECIPE.dump_python(recipe, mode="json")


def recipe_from_plain(plain: Mapping[str, Any]) -> Recipe:
    """Read a recipe.

    Raises:
        LimbeckError: E_RECIPE_INVALID, naming the field.
    """
    try:
        return _RECIPE.validate_python(plain)
    except ValidationError as error:
        raise _invalid(error) from error


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """Return the recipe with dotted keys replaced, in order.

    A key is a path in the printed recipe (``terms.1.guidance.scale``), a field of the first term (``variate``), or one
    of ``SHORT_NAMES``. A part that has kinds can be set by its kind's name: ``variate=uncond``. A part of a list goes
    with ``none``: ``terms.1=none``. An energy that ``energies=...`` names again keeps its other settings.

    Raises:
        LimbeckError: E_SETTING_UNKNOWN, E_RECIPE_INVALID.
    """
    plain = recipe_to_plain(recipe)
    for key, value in overrides.items():
        _set(plain, full_path(key), value, key)
    return recipe_from_plain(plain)


def full_path(key: str) -> list[str]:
    """Return the path in the printed recipe that a ``--set`` key means."""
    parts = key.split(".")
    is_of_term = parts[0] in _TERM_FIELDS or parts[0] in SHORT_NAMES
    if is_of_term:
        parts = ["terms", "0", *parts]
    if len(parts) > 2 and parts[0] == "terms" and parts[2] in SHORT_NAMES:
        parts = [*parts[:2], *SHORT_NAMES[parts[2]].split("."), *parts[3:]]
    return parts


def _set(plain: dict[str, Any], path: list[str], value: Any, key: str) -> None:
    node: Any = plain
    for depth, part in enumerate(path[:-1]):
        node = _child(node, part, key, path[:depth])
    existing = _child(node, path[-1], key, path[:-1])
    last: Any = int(path[-1]) if isinstance(node, list) else path[-1]
    if isinstance(node, list) and isinstance(existing, dict) and _is_none(value):
        del node[last]
        return
    if isinstance(existing, dict) and "kind" in existing and isinstance(value, str):
        value = {"kind": value}
    if path[-1] == "energies" and isinstance(value, str):
        value = _kept(existing, value)
    if path[-1] in _PARTS:
        value = _filled(_PARTS[path[-1]], value)
    node[last] = value


def _kept(existing: Any, text: str) -> Any:
    """Return the energies that a text names, each over the settings of the one of its kind that was there.

    A text that cannot be read stays as it is, for the whole recipe's check to name.
    """
    settings = {energy.get("kind"): energy for energy in existing if isinstance(energy, Mapping)}
    try:
        return [{**settings.get(energy["kind"], {}), **energy} for energy in read_energies(text)]
    except ValueError:
        return text


def _is_none(value: Any) -> bool:
    return value is None or (isinstance(value, str) and value.lower() in ("none", "off"))


def _filled(part: Any, value: Any) -> Any:
    """Return a part with its defaults; one that cannot be stays as it is, for the whole recipe's check to name."""
    try:
        return part.dump_python(part.validate_python(value), mode="json")
    except ValidationError:
        return value


def _child(node: Any, part: str, key: str, parents: list[str]) -> Any:
    known = (
        list(node) if isinstance(node, dict) else [str(i) for i in range(len(node))] if isinstance(node, list) else []
    )
    if part not in known:
        where = ".".join(parents) or "a recipe"
        raise LimbeckError(
            "E_SETTING_UNKNOWN",
            f"{key!r} is no setting: {where} has {', '.join(known) or 'no parts'}",
            "run 'limbeck recipes show NAME' to see every setting",
        )
    return node[int(part)] if isinstance(node, list) else node[part]


def _invalid(error: ValidationError) -> LimbeckError:
    first = error.errors()[0]
    where = "".join(f"{part}." for part in first["loc"]).removesuffix(".")
    text = first["msg"].removeprefix("Value error, ")
    if where or not text.startswith("terms."):
        text = f"{where or 'the recipe'}: {text}"
    if ", got " not in text and not isinstance(first.get("input"), Mapping):
        text += f", got {json.dumps(first.get('input'), default=str)[:120]}"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    remedy = "run 'limbeck recipes show NAME --json' for a valid recipe to start from"
    return LimbeckError("E_RECIPE_INVALID", text + more, remedy)
