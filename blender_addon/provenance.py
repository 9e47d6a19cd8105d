# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an asset came from, as it stands in its object's custom properties. Knows no bpy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from . import wire

if TYPE_CHECKING:
    from limbeck_protocol.job import JobSpec, Reference

    from .job import FollowedJob

MARK = "prompt"
"""An object with this custom property was made here, unless it is a live mesh still."""
LICENCE_OF_EMBEDDED = "Made with Limbeck's embedded priors, which were trained on procedural renders only"
LICENCE_OF_OTHERS = "Made with the prior {prior}: its licence says what may be done with the asset"
ORIGIN = "limbeck_origin"
"""Custom property [3]: where the object's origin is in the core's frame."""
MAX_SEED = 2**31 - 1
"""Blender keeps whole numbers of custom properties in 32 bits."""


@dataclass(frozen=True)
class Provenance:
    """What made an asset; every field becomes a custom property of that name.

    Attributes:
        steps: as asked; 0 is the recipe's own number.
        references: how many pictures were given; they are not kept.
        started_as: what the job made of an object of the scene: "mesh" formed the asset out of it, "texture" painted
            it; "" without one.
        started_from: that object's full name.
        job: its id on the server.
        made_at: when it was imported, ISO 8601 in UTC.
    """

    prompt: str
    seed: int = 0
    recipe: str = "limbeck"
    negative_prompt: str = ""
    steps: int = 0
    faces: int = 20_000
    texture_size: int = 1024
    prior: str = "embedded"
    overrides: str = ""
    references: int = 0
    started_as: str = ""
    started_from: str = ""
    job: str = ""
    server_version: str = ""
    licence: str = ""
    made_at: str = ""

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    def properties(self) -> dict[str, str | int]:
        """Return the custom properties of the asset's object; a number that Blender has no room for is a text."""
        return {name: _storable(value) for name, value in asdict(self).items()}

    def settings(self) -> dict[str, Any]:
        """Return the panel's fields that make the asset again."""
        return {
            "prompt": self.prompt,
            "seed": self.seed,
            "recipe": self.recipe,
            "quality": "NORMAL",  # which leaves the recipe its own steps where there are none here
            "negative_prompt": self.negative_prompt,
            "steps": self.steps,
            "faces": self.faces,
            "texture_size": str(self.texture_size),
            "prior": self.prior,
            "overrides": self.overrides,
        }


def of_job(job: FollowedJob, now: datetime | None = None) -> Provenance:
    """Return where a job's asset comes from. A job that was found again knows less than one that was sent from here."""
    spec = job.spec
    known = Provenance(job.prompt, job.seed, job.recipe, steps=job.asked_steps, faces=job.asked_faces)
    if spec is not None:
        words = (f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in spec.overrides.items())
        overrides = " ".join(shlex.quote(word) for word in words)
        known = Provenance(
            spec.prompt,
            spec.seed,
            spec.recipe_name,
            spec.negative_prompt,
            spec.steps or 0,
            spec.faces,
            spec.texture_size,
            spec.prior,
            overrides,
            len(spec.references),
        )
    licence = LICENCE_OF_EMBEDDED if known.prior == "embedded" else LICENCE_OF_OTHERS.format(prior=known.prior)
    made_at = (now or datetime.now(UTC)).isoformat(timespec="seconds")
    source = job.placement.source
    started_as = ("texture" if job.placement.use == "texture" else "mesh") if source else ""
    return replace(known, started_as=started_as, started_from=source, job=job.id, licence=licence, made_at=made_at)


def completed(known: Provenance, metadata: Mapping[str, Any]) -> Provenance:
    """Return what is known with what the asset's file says of itself, which is what the server has really done."""
    weights = metadata.get("weights_licence")
    recipe, versions, references = (metadata.get(name) for name in ("recipe", "versions", "references"))
    said = {
        **{name: metadata.get(name) for name in ("negative_prompt", "seed", "faces", "texture_size", "prior")},
        "recipe": recipe.get("name") if isinstance(recipe, dict) else None,
        "server_version": versions.get("limbeck") if isinstance(versions, dict) else None,
        "references": len(references) if isinstance(references, list) else None,
        "licence": f"Licence of the prior's weights: {weights}" if isinstance(weights, str) else None,
    }
    if known.prior != "embedded":
        del said["prior"]  # the file keeps only the last part of a folder
    present = {name: value for name, value in said.items() if type(value) is type(getattr(known, name))}
    return replace(known, **{name: value for name, value in present.items() if value != ""})


def spec_of(made: Provenance, references: tuple[Reference, ...] = ()) -> JobSpec:
    """Return the job that makes an asset again, as far as its object tells.

    Raises:
        JobError: if a custom property was edited to what no job may have.
    """
    return wire.job.JobSpec(
        prompt=made.prompt,
        negative_prompt=made.negative_prompt,
        recipe=made.recipe,
        overrides=wire.overrides.parse_overrides(made.overrides),
        references=references,
        prior=made.prior,
        seed=made.seed,
        steps=made.steps or None,
        faces=made.faces,
        texture_size=made.texture_size,
    )


def from_json(text: str) -> Provenance:
    """Read what ``to_json`` wrote; unknown or wrong fields are left out."""
    plain = json.loads(text)
    return from_properties(plain if isinstance(plain, dict) else {}) or Provenance("")


def from_properties(properties: Mapping[str, Any]) -> Provenance | None:
    """Return what an object's custom properties say, or None if it was not made here.

    Artists edit custom properties, so what has another type than it should is left at its default.
    """
    if not isinstance(properties.get(MARK), str):
        return None
    kinds = {field.name: type(field.default) if field.name != "prompt" else str for field in fields(Provenance)}
    read = {name: _restored(properties.get(name), kind) for name, kind in kinds.items()}
    return Provenance(**{name: value for name, value in read.items() if type(value) is kinds[name]})


def is_made_here(properties: Mapping[str, Any]) -> bool:
    """Return whether custom properties are those of an asset, not of a live mesh."""
    return isinstance(properties.get(MARK), str) and "limbeck_job" not in properties


def _storable(value: str | int) -> str | int:
    """Return what Blender can keep of a value that may be a hostile file's."""
    if isinstance(value, int):
        return value if -MAX_SEED <= value <= MAX_SEED else str(value)
    return value.encode("utf-8", "replace").decode()


def _restored(value: Any, kind: type) -> Any:
    """Return a value as it was before ``_storable``."""
    is_number = kind is int and isinstance(value, str) and value.removeprefix("-").isdecimal() and len(value) < 32
    return int(value) if is_number else value
