# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One term of an objective: a point in the product that all methods share.

r = guidance(eps at x_t) - variate - sigma_t * sum_e lambda_e dC_e/dx_t        gradient of the latents = w(t) * r

``residual.py`` evaluates it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from limbeck.distillation.conditioning import ViewPrompts
from limbeck.distillation.consistency import Consistency
from limbeck.distillation.consistent_noise import ConsistentNoise, PointSource
from limbeck.distillation.energies.energy import CriticRole
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.energies.novel_view import NovelViewEnergy
from limbeck.distillation.energies.pair_classifier import PairClassifierEnergy
from limbeck.distillation.guidance import ClassifierFreeGuidance
from limbeck.distillation.inversion import DDIMInversion
from limbeck.distillation.noise import GaussianNoise
from limbeck.distillation.timesteps import Timesteps
from limbeck.distillation.variates import (
    BaseScore,
    InjectedNoise,
    PathScore,
    ShiftedBaseScore,
    TrainedScore,
    Unconditional,
)
from limbeck.distillation.weighting import Weighting
from limbeck.schedules import Schedule, constant

TermRole = Literal["text_to_image", "multi_view", "image_prompt", "structure", "novel_view"]
"""Which model answers: the text-to-image one, also with an IP-Adapter or a ControlNet, MVDream, or Zero-1-to-3."""
AnyRole = Literal["text_to_image", "multi_view", "image_prompt", "structure", "novel_view", "pair_classifier"]
"""Everything that a run can load."""

ENERGY_NAMES = {"classifier": "pair_classifier", "novel_view": "novel_view", "multiview": "multi_view"}
"""Vocabulary of ``--set energies``, and the kind that each means."""


def read_energies(value: Any) -> Any:
    """Read ``multiview:5,classifier:1`` (a name alone has the weight that it has, or its default), or ``none``.

    Raises:
        ValueError: naming the energies that there are.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "off")):
        return ()
    return [_read_energy(part) for part in value.split(",")] if isinstance(value, str) else value


def _read_energy(text: str) -> dict[str, Any]:
    name, separator, weight = (part.strip() for part in text.partition(":"))
    kind = ENERGY_NAMES.get(name, name)
    if kind not in ENERGY_NAMES.values():
        raise ValueError(f"expected energies as {', '.join(f'{name}:WEIGHT' for name in ENERGY_NAMES)}, got {text!r}")
    return {"kind": kind, "weight": weight} if separator else {"kind": kind}


def read_consistency(value: Any) -> Any:
    """Read a weight alone as the loss with that weight, and 0 or ``off`` as none."""
    if isinstance(value, str) and value.strip().lower() in ("off", "none"):
        return None
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        return None if value in (0, "0") else {"weight": value}
    return value


Noise = Annotated[GaussianNoise | ConsistentNoise | DDIMInversion, Field(discriminator="kind")]
Variate = Annotated[
    InjectedNoise | Unconditional | BaseScore | ShiftedBaseScore | TrainedScore | PathScore,
    Field(discriminator="kind"),
]
AnyEnergy = Annotated[MultiViewEnergy | NovelViewEnergy | PairClassifierEnergy, Field(discriminator="kind")]
Energies = Annotated[tuple[AnyEnergy, ...], BeforeValidator(read_energies)]
ConsistencySwitch = Annotated[Consistency | None, BeforeValidator(read_consistency)]


@dataclass(frozen=True)
class Term:
    """A point in prior x timesteps x noise x guidance x variate x energies x consistency x weighting.

    Attributes:
        prior: which model answers.
        weight: the term's weight in the objective, over the run.
        energies: how coherent the views are with one another (JSD); each with its lambda.
        energy_weight: multiplies every lambda, over the run: when they begin and end.
        consistency: a loss on rendered depth (GSD), or none.
        view_prompts: whether prompts say from where the view looks; "interpolated" mixes neighbouring words.
        negative: share of the negative prompt in the unconditional branch, the rest being the empty prompt.
        image_scale: gate of the image prompt, for the prior that has one.
        control: whose depth the ``structure`` prior is held to: the object's own as it is rendered, or that of the
            shape that the run starts from.
        control_scale: gate of that control.
        sector_deg: azimuths [low, high) of the views that the term looks at, or None for all of them.
    """

    prior: TermRole = "text_to_image"
    weight: Schedule = constant(1.0)
    timesteps: Timesteps = Timesteps()
    noise: Noise = GaussianNoise()
    guidance: ClassifierFreeGuidance = ClassifierFreeGuidance()
    variate: Variate = InjectedNoise()
    energies: Energies = ()
    energy_weight: Schedule = constant(1.0)
    consistency: ConsistencySwitch = None
    weighting: Weighting = "sigma2"
    view_prompts: ViewPrompts = True
    negative: Schedule = constant(1.0)
    image_scale: Schedule = constant(0.5)
    control: PointSource = "object"
    control_scale: Schedule = constant(1.0)
    sector_deg: tuple[float, float] | None = None

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse a sector that no view can be in, and shares that are none."""
        if self.sector_deg is not None and not 0 < self.sector_deg[1] - self.sector_deg[0] <= 360:
            raise ValueError(f"expected sector_deg as (low, high) up to 360 degrees apart, got {self.sector_deg}")
        for name, most in (("negative", 1), ("image_scale", 2), ("control_scale", 2)):
            values = [value for _, value in getattr(self, name).points]
            if not all(0 <= value <= most for value in values):
                raise ValueError(f"expected {name} from 0 to {most}, got {values}")

    @property
    def needs_orthogonal_views(self) -> bool:
        """Whether the term looks at four views of one object at once."""
        return self.prior == "multi_view" or any(energy.views_per_group == 4 for energy in self.energies)

    @property
    def shares_timestep(self) -> bool:
        """Whether all views of a step have one timestep."""
        shared = self.timesteps.is_shared
        return self.needs_orthogonal_views if shared is None else shared

    @property
    def start_setting(self) -> str | None:
        """The setting by which the term looks at the shape that the run starts from; None if none does."""
        if self.prior == "structure" and self.control == "start":
            return "control"
        return "noise.points" if isinstance(self.noise, ConsistentNoise) and self.noise.points == "start" else None

    @property
    def critics(self) -> tuple[CriticRole, ...]:
        """What its energies need beside the term's own prior."""
        return tuple(dict.fromkeys(role for energy in self.energies for role in energy.critics))
