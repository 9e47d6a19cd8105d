# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Control variates: what is subtracted from the target to make a residual of small variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from pydantic import ConfigDict
from torch import Tensor

from limbeck.distillation.guidance import Branch, NoisePreds
from limbeck.distillation.noise import Noised


@dataclass(frozen=True)
class InjectedNoise:
    """The noise itself: SDS (DreamFusion, arXiv:2209.14988, eq. 3)."""

    kind: Literal["noise"] = "noise"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs no prediction."""
        return ()

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the injected noise."""
        return noised.noise


@dataclass(frozen=True)
class Unconditional:
    """The unconditional score: classifier score distillation (arXiv:2310.19415, eq. 8)."""

    kind: Literal["uncond"] = "uncond"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs the unconditional prediction."""
        return ("uncond",)

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the unconditional prediction at x_t."""
        return noise_preds["uncond"]


@dataclass(frozen=True)
class BaseScore:
    """The unguided text score at the same x_t and t: the variate of ModeDreamer's ISD.

    ISD guides its target by an image prompt. With text guidance alone the residual is (s - 1) (eps_text - eps_uncond),
    which is CSD with another scale.
    """

    kind: Literal["base"] = "base"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs the text prediction."""
        return ("text",)

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the text prediction at x_t, without guidance."""
        return noise_preds["text"]
