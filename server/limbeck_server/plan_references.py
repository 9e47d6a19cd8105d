# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job's reference images as the core's references. Imports torch."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from limbeck.cameras import Cameras, angles_of
from limbeck.framing import Reference as CoreReference
from limbeck.pictures import cut_out
from limbeck.rigs import Placement
from limbeck_protocol.errors import JobError
from limbeck_protocol.job import Reference
from limbeck_protocol.rig import Camera
from limbeck_server.decoder import PictureDecoder


def plan_references(references: Sequence[Reference], placement: Placement) -> tuple[CoreReference, ...]:
    """Return the references that weigh anything, read and cut out, their cameras in the run's own world.

    Raises:
        JobError: E_SCHEMA for an image without its content.
        LimbeckError: E_IMAGE, E_IMAGE_EMPTY, E_IMAGE_BACKGROUND, E_IMAGE_CAMERA.
    """
    with PictureDecoder() as decoder:
        return tuple(
            _planned(decoder, number, reference, placement)
            for number, reference in enumerate(references, 1)
            if reference.weight > 0
        )


def _planned(decoder: PictureDecoder, number: int, reference: Reference, placement: Placement) -> CoreReference:
    if reference.image.data is None:
        raise JobError("E_SCHEMA", "expected an image with its content", "make it with blob_of", field="references")
    name = f"reference image {number}"
    pixels = cut_out(decoder.read(reference.image.data, name), name)
    camera = None if reference.camera is None else camera_in_run(reference.camera, placement)
    return CoreReference(pixels, camera, reference.weight, reference.use)


def camera_in_run(camera: Camera, placement: Placement) -> Cameras:
    """Return the one camera in the run's world, where the object lies in the unit ball round the origin."""
    c2w = torch.tensor([camera.c2w], dtype=torch.float32)
    c2w[:, :3, 3] = (c2w[:, :3, 3] - torch.tensor(placement.centre)) / placement.radius
    Ks = torch.tensor([camera.K], dtype=torch.float32)
    return Cameras(c2w, Ks, camera.width, camera.height, *angles_of(c2w))
