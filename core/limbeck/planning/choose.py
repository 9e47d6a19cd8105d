# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which profile a run takes: the fastest that fits, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.planning.predict import Compute, Job, Prediction, predict
from limbeck.planning.profiles import Profile, profiles
from limbeck.planning.room import Room

MARGIN = 1.15
"""A profile is taken where it fits with this factor, as far as predictions may be off; the smallest also without."""


@dataclass(frozen=True)
class Option:
    """A profile and what it would need."""

    profile: Profile
    prediction: Prediction

    def fits(self, room: Room, margin: float = 1.0) -> bool:
        """Return whether the machine has as much."""
        return self.lacks_mb(room, margin) == 0.0

    def lacks_mb(self, room: Room, margin: float = 1.0) -> float:
        """Return how much more memory it would need, of the kind that is scarcer."""
        needs, has = [self.prediction.host_mb], [room.host_mb]
        if room.device_mb is not None:
            needs, has = [*needs, self.prediction.device_mb], [*has, room.device_mb]
        return max(0.0, *(margin * need - have for need, have in zip(needs, has, strict=True)))


@dataclass(frozen=True)
class Plan:
    """What a run will need and do.

    Attributes:
        device: ``cpu``, ``cuda`` or ``mps``.
        dtype: in which large models compute there.
        options: all profiles, from the fastest to the smallest.
        chosen: which of them is taken.
        room: what there is.
        why: the reasons, a sentence each.
    """

    device: str
    dtype: str
    options: tuple[Option, ...]
    chosen: int
    room: Room
    why: tuple[str, ...]

    @property
    def profile(self) -> Profile:
        """The profile that is taken."""
        return self.options[self.chosen].profile

    @property
    def prediction(self) -> Prediction:
        """What it will need."""
        return self.options[self.chosen].prediction

    def as_object(self) -> dict[str, Any]:
        """Return the plan as the JSON object of docs/commands.md."""
        found, profile = self.prediction, self.profile
        return {
            "device": self.device,
            "dtype": self.dtype,
            "memory_mb": round(found.host_mb),
            "device_memory_mb": round(found.device_mb),
            "free_mb": round(self.room.host_mb),
            "device_free_mb": None if self.room.device_mb is None else round(self.room.device_mb),
            "seconds": round(found.seconds, 1),
            "seconds_per_step": round(found.seconds_per_step, 4),
            "profile": profile.told(),
            "views_at_once": profile.views,
            "shrink": profile.shrink,
            "unets_wait": profile.unets_wait,
            "parts_mb": {name: round(size) for name, size in found.parts_mb.items()},
            "why": list(self.why),
            "options": [
                {
                    "profile": option.profile.told(),
                    "memory_mb": round(option.prediction.host_mb),
                    "device_memory_mb": round(option.prediction.device_mb),
                }
                for option in self.options
            ],
        }


def options_of(job: Job, compute: Compute) -> tuple[Option, ...]:
    """Return every profile of a job with what it would need."""
    trains = any(term.variate.kind == "lora" for term in job.recipe.terms)
    largest = max((model.image_size for model in job.models.values()), default=0)
    found = profiles(job.recipe.views, compute.device, largest, trains=trains)
    return tuple(Option(profile, predict(job, profile, compute)) for profile in found)


def choose(options: Sequence[Option], room: Room, compute: Compute, dtype: str, instead: Mapping[str, float]) -> Plan:
    """Return the plan: the first profile that fits with a margin, else the smallest if it just fits.

    Args:
        options: of the job, from the fastest to the smallest.
        room: what the machine has.
        compute: of the machine.
        dtype: in which large models compute.
        instead: memory in MB of what could be run instead, by how to ask for it; for the refusal.

    Raises:
        LimbeckError: E_MEMORY if not even the smallest fits.
    """
    fitting = [index for index, option in enumerate(options) if option.fits(room, MARGIN)]
    last = len(options) - 1
    if not fitting and not options[last].fits(room):
        raise too_little(options[last], room, instead)
    chosen = fitting[0] if fitting else last
    return Plan(compute.device, dtype, tuple(options), chosen, room, _reasons(options, chosen, room, dtype, compute))


def too_little(smallest: Option, room: Room, instead: Mapping[str, float]) -> LimbeckError:
    """Return the refusal of a run that does not fit, with what would."""
    is_device = room.device_mb is not None and smallest.prediction.device_mb > room.device_mb
    needs = smallest.prediction.device_mb if is_device else smallest.prediction.host_mb
    has = (room.device_mb or 0.0) if is_device else room.host_mb
    kind = "GPU memory" if is_device else "memory"
    fit = [f"{how} (about {told(mb)})" for how, mb in instead.items() if mb <= has]
    remedy = f"free {told(needs - has)}" + (f", or take {' or '.join(fit)}" if fit else ", or use a larger machine")
    message = (
        f"expected {told(needs)} of {kind} even at the lowest profile ({smallest.profile.told()}), got {told(has)}"
    )
    return LimbeckError("E_MEMORY", message, remedy)


def _reasons(options: Sequence[Option], chosen: int, room: Room, dtype: str, compute: Compute) -> tuple[str, ...]:
    of_type = {
        "float32": "float32, as on every CPU and for small models",
        "bfloat16": "bfloat16, which halves the weights of large models at float32's range",
        "float16": "float16, as this GPU has no bfloat16",
    }
    why = [of_type.get(dtype, dtype)]
    if compute.device == "mps":
        why.append("Apple's GPU shares the host's memory")
    if not chosen:
        return (*why, "everything fits at once")
    before = options[chosen - 1]
    lacking = before.lacks_mb(room, MARGIN)
    why.append(f"{options[chosen].profile.told()}: {before.profile.told()} lacks {told(lacking)}, the margin included")
    if options[chosen].profile.shrink > 1:
        why.append("smaller images change what the run makes; all else does not")
    return tuple(why)


def told(mb: float) -> str:
    """Return a size in words."""
    return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{max(1, round(mb))} MB"
