# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The plan of a run on this machine. Imports torch, to ask what there is; loads no weights."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import torch

from limbeck.config import Recipe
from limbeck.distillation.term import AnyRole
from limbeck.errors import LimbeckError
from limbeck.planning.choose import Plan, choose, options_of
from limbeck.planning.predict import Compute, Job
from limbeck.planning.room import Room, host_room_mb
from limbeck.planning.weights import Model, read_model
from limbeck.priors.precision import LARGE_BYTES
from limbeck.representations.rasterize import is_compiled

PRODUCT_SIZES = {"cpu": 768, "cuda": 4096, "mps": 2048}
"""Rows of the square matrices whose product tells a device's rate."""

DRAFT = {"_class_name": "AutoencoderTiny"}
"""In the place of an autoencoder's configuration, for recipes that encode by TAESD."""


def plan_run(
    recipe: Recipe,
    source: str,
    device: torch.device,
    *,
    has_negative: bool = False,
    texture_size: int = 0,
    room: Room | None = None,
    compute: Compute | None = None,
) -> Plan:
    """Return what a run will need here and how it will be made to fit.

    Args:
        recipe: in full.
        source: of the models: ``embedded``, a folder, an alias or a model id.
        device: where it computes.
        has_negative: whether there is a negative prompt.
        texture_size: pixels along the texture's edge; 0 without one.
        room: memory that it may take; None is what this machine has.
        compute: None measures this machine, in a few milliseconds.

    Raises:
        LimbeckError: E_MEMORY if it does not fit even at the lowest profile; E_MODEL_UNKNOWN, E_MODEL_MISSING,
            E_MODEL_INCOMPLETE and E_MODEL_ROLE for models.
    """
    room = room or room_on(device)
    compute = compute or Compute(device.type, matrix_rate(device), compiles=not is_compiled(device))
    job = Job(recipe, read_models(recipe, source), has_negative, texture_size)
    return choose(options_of(job, compute), room, compute, _dtype_of(job, device), _instead(job, source, compute))


def read_models(recipe: Recipe, source: str) -> Mapping[AnyRole, Model]:
    """Return the models that ``models.load_cast`` would load."""
    roles: list[AnyRole] = [
        role for role in recipe.roles if role != "text_to_image" or "image_prompt" not in recipe.roles
    ]
    found: dict[AnyRole, Model] = {role: read_model(source, role, LARGE_BYTES) for role in roles}
    if recipe.encoder == "taesd":
        for role, model in found.items():
            found[role] = replace(model, vae=DRAFT) if model.vae else model
    shared: dict[AnyRole, Model] = {"text_to_image": found["image_prompt"]} if "image_prompt" in found else {}
    return found if "text_to_image" not in recipe.roles else {**found, **_without_parts(shared)}


def room_on(device: torch.device) -> Room:
    """Return the memory that a run on a device may take."""
    if device.type != "cuda":
        return Room(host_room_mb())
    free, _ = torch.cuda.mem_get_info(device)
    return Room(host_room_mb(), (free + torch.cuda.memory_reserved(device)) / 1e6)


def matrix_rate(device: torch.device) -> float:
    """Return the operations a second of a product of matrices, the best of three."""
    size = PRODUCT_SIZES.get(device.type, 1024)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    one = torch.ones(size, size, dtype=dtype, device=device)
    best = 0.0
    for _ in range(3):
        began = time.perf_counter()
        result = one @ one
        float(result[0, 0])  # waits for the device
        best = max(best, 2.0 * size**3 / (time.perf_counter() - began))
    return best


def _without_parts(models: Mapping[AnyRole, Model]) -> dict[AnyRole, Model]:
    """Return models whose weights are another's: they cost work, and no memory of their own."""
    return {
        role: Model((), model.unet, model.vae, {}, model.side, model.pixels_per_latent, model.views_per_group,
                    model.is_large)
        for role, model in models.items()
    }  # fmt: skip


def _dtype_of(job: Job, device: torch.device) -> str:
    if device.type != "cuda" or not any(model.is_large for model in job.models.values()):
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def _instead(job: Job, source: str, compute: Compute) -> dict[str, float]:
    """Return what else could be asked for, and the memory that it would need at its smallest."""
    if source == "embedded":
        return {}
    with suppress(LimbeckError):
        embedded = Job(job.recipe, read_models(job.recipe, "embedded"), job.has_negative, job.texture_size)
        smallest = options_of(embedded, compute)[-1].prediction
        return {"--prior embedded": smallest.device_mb or smallest.host_mb}
    return {}
