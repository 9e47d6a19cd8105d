# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The ways in which a run can do with less memory, in the order in which they are taken.

1. Everything stays on the device, all views of a step at once. The fastest.
2. Half of the views at a time, then a quarter, down to one: the gradient is the same to rounding, for each part's
   forward pass is computed again in the backward pass, instead of being kept. About a third slower.
3. (GPU) UNets wait in the host's memory while they are not asked. The same numbers, slower by the transfers. Not for
   recipes that train a copy of the model.
4. Images of half the size, and of a quarter for models of 1024 pixels and more. This alone changes what the run makes.

Large text encoders are let go of once the prompt is read, in every profile (``priors.transient_text``). The type in
which models compute is not chosen by memory: GPUs compute large models in half precision anyway, and CPUs without
matrix units for it are 8 to 70 times slower so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

LEAST_IMAGE_SIZE = 256
"""Models of Stable Diffusion's kind draw nothing worth having on fewer pixels."""


@dataclass(frozen=True)
class Profile:
    """What a run does with memory.

    Attributes:
        views: encoded at a time, and computed again in the backward pass; None is all of them, and nothing twice.
        shrink: by how much images are smaller than the models' own.
        unets_wait: whether UNets are on the device only while they are asked.
    """

    views: int | None = None
    shrink: int = 1
    unets_wait: bool = False

    @property
    def samples(self) -> int | None:
        """How many samples a UNet gets at a time; it needs far less for each than the encoder with its gradient."""
        return None if self.views is None else 4 * self.views

    def told(self) -> str:
        """Return what it changes, in words."""
        found = []
        if self.views is not None:
            found.append(f"{self.views} view{'s' if self.views > 1 else ''} at a time")
        if self.unets_wait:
            found.append("UNets wait in the host's memory")
        if self.shrink > 1:
            found.append(f"images of 1/{self.shrink} the size")
        return ", ".join(found) or "everything at once"


AT_ONCE = Profile()


def profiles(views: int, device: str, largest_image: int, *, trains: bool) -> tuple[Profile, ...]:
    """Return the profiles of a run, from the fastest to the smallest.

    Args:
        views: of a step.
        device: ``cpu``, ``cuda`` or ``mps``.
        largest_image: pixels per side of the images that its models were trained on.
        trains: whether the recipe trains a copy of a model.
    """
    found = [Profile()]
    part = views
    while part > 1:
        part = (part + 1) // 2
        found.append(replace(found[-1], views=part))
    if views == 1:
        found.append(replace(found[-1], views=1))
    if device != "cpu" and not trains:
        found.append(replace(found[-1], unets_wait=True))
    shrink = 2
    while largest_image // shrink >= LEAST_IMAGE_SIZE:
        found.append(replace(found[-1], shrink=shrink))
        shrink *= 2
    return tuple(found)


def shrunk_size(image_size: int, shrink: int) -> int:
    """Return a model's image size under a profile; it never falls below ``LEAST_IMAGE_SIZE`` by it."""
    while shrink > 1 and image_size // shrink < LEAST_IMAGE_SIZE:
        shrink //= 2
    return image_size // shrink
