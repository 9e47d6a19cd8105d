# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a term asks of a prior: noise predictions by branch, all of one phase in one batched forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.priors.prior import Cond, Prior, stack_conds

Branch = str
"""A condition by name.

text        the prompt, and the image where the term has an image prompt
uncond      the negative prompt without image
null        the empty prompt without image; ``uncond`` becomes a mixture of both where ``Term.negative`` is below 1
base        the prompt without image: the model below an IP-Adapter; without image prompt the same as ``text``
shifted     ``base`` at a later timestep with the same noise
empty       the empty prompt of the model below: the path of DDIM inversion
negative:i  the i-th view that Perp-Neg steers away from
lora        what a trained copy of the model answers
"""
NoisePreds = Mapping[Branch, Float[Tensor, "views channels h w"]]
Eps = Callable[[Float[Tensor, "views channels h w"], Int[Tensor, " views"]], Float[Tensor, "views channels h w"]]
"""A noise prediction as a function of x_t and t, its condition being fixed."""


def uncond_branches(share: float, *, has_negative: bool) -> tuple[Branch, ...]:
    """Return what ``uncond`` is made of: the negative prompt, the empty one, or both to be mixed.

    Args:
        share: of the negative prompt (``Term.negative``).
        has_negative: whether it says anything; else it is the empty prompt itself.
    """
    if not has_negative or share == 1.0:
        return ("uncond",)
    return ("null",) if share == 0.0 else ("uncond", "null")


def mix_uncond(noise_preds: dict[Branch, Float[Tensor, "views channels h w"]], share: float) -> None:
    """Put the unconditional prediction, of whatever ``uncond_branches`` asked for, under ``uncond``, in place."""
    if "null" not in noise_preds:
        return
    null, negative = noise_preds["null"], noise_preds.get("uncond")
    noise_preds["uncond"] = null if negative is None else share * negative + (1 - share) * null


@dataclass(frozen=True)
class Request:
    """One noise prediction that a term needs."""

    branch: Branch
    xt: Float[Tensor, "views channels h w"]
    t: Int[Tensor, " views"]
    cond: Cond


def predict(prior: Prior, requests: Sequence[Request]) -> dict[Branch, Float[Tensor, "views channels h w"]]:
    """Return the noise prediction of every request from one forward pass; requests are outermost in the batch."""
    xt = torch.cat([request.xt for request in requests])
    t = torch.cat([request.t for request in requests])
    stacked = prior.eps(xt, t, stack_conds([request.cond for request in requests]))
    parts = stacked.split([len(request.xt) for request in requests])
    return {request.branch: part for request, part in zip(requests, parts, strict=True)}


def predict_branches(
    prior: Prior,
    xt: Float[Tensor, "views channels h w"],
    t: Int[Tensor, " views"],
    conds: Mapping[Branch, Cond],
) -> dict[Branch, Float[Tensor, "views channels h w"]]:
    """Return each branch's noise prediction at one x_t and t."""
    return predict(prior, [Request(branch, xt, t, cond) for branch, cond in conds.items()])
