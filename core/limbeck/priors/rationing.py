# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The same answers with less memory: batches in parts, and models that wait in the host's memory.

A part that needs a gradient is computed twice, forward and again in the backward pass (Chen et al., arXiv:1604.06174),
so that what autograd keeps is one part's. The gradient is the same up to the rounding of another batch size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from limbeck.priors.prior import Cond, split_cond

Ask = Callable[[Tensor, Tensor, Cond], Tensor]


@dataclass(frozen=True)
class Ration:
    """How much of a model's work is in memory at once.

    Attributes:
        views: images encoded, or samples trained on, at a time; None is all of them, and nothing is computed twice.
        samples: that a UNet gets at a time, rounded up to whole groups of views; None is all of them.
        shrink: by how much the images are smaller than those that the model was trained on.
        waits: whether the UNet is on the device only while it is asked.
    """

    views: int | None = None
    samples: int | None = None
    shrink: int = 1
    waits: bool = False


def encode_in_parts(
    encode: Callable[[Tensor], Tensor], rgb: Float[Tensor, "views 3 H W"], ration: Ration
) -> Float[Tensor, "views channels h w"]:
    """Return what ``encode`` makes of the images, so many at a time."""
    if ration.views is None:
        return encode(rgb)
    return torch.cat([_twice(encode, part) for part in rgb.split(ration.views)])


def ask_in_parts(
    ask: Ask, xt: Float[Tensor, "batch channels h w"], t: Int[Tensor, " batch"], cond: Cond, size: int | None
) -> Float[Tensor, "batch answered h w"]:
    """Return what ``ask`` answers for the batch, ``size`` samples at a time."""
    if size is None or len(xt) <= size:
        return ask(xt, t, cond)
    parts = zip(xt.split(size), t.split(size), split_cond(cond, size), strict=True)
    return torch.cat([_twice(ask, *part) for part in parts])


def whole_groups(samples: int | None, views_per_group: int) -> int | None:
    """Return a number of samples rounded up to whole groups of views."""
    return None if samples is None else -(-samples // views_per_group) * views_per_group


@contextmanager
def on_device(module: nn.Module, device: torch.device, *, waits: bool) -> Iterator[None]:
    """Have copies of a module's weights on the device for a while, where they wait elsewhere.

    Parameters stay the same objects; only what they hold is another copy, which is gone afterwards. Copying back is not
    needed, as the weights are frozen.
    """
    if not waits:
        yield
        return
    held = [*module.parameters(), *module.buffers()]
    waiting = [tensor.data for tensor in held]
    try:
        for tensor in held:
            tensor.data = tensor.data.to(device, copy=True)
        yield
    finally:
        for tensor, data in zip(held, waiting, strict=True):
            tensor.data = data


def _twice(function: Callable[..., Tensor], *arguments: object) -> Tensor:
    """Call the function so that autograd keeps its arguments alone; nothing in it draws random numbers."""
    if not torch.is_grad_enabled():
        return function(*arguments)
    result = checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
    if not isinstance(result, Tensor):
        raise TypeError(f"expected a tensor, got {type(result).__name__}")
    return result
