# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Control variates: what is subtracted from the target to make a residual of small variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int
from pydantic import ConfigDict
from torch import Tensor

from limbeck.devices import uploaded
from limbeck.distillation.noise import Noised, add_noise
from limbeck.distillation.requests import Branch, NoisePreds


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
    """The unguided text score without image prompt, at the same x_t and t: the variate of ModeDreamer's ISD.

    ISD guides its target by an image prompt. At image scale 0, and with text guidance alone, the residual is
    (s - 1) (eps_text - eps_uncond), which is CSD with another scale.
    """

    kind: Literal["base"] = "base"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs the text prediction without image."""
        return ("base",)

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the text prediction at x_t, without image and guidance."""
        return noise_preds["base"]


@dataclass(frozen=True)
class ShiftedBaseScore:
    """The unguided text score at a later timestep, with the same noise: ScaleDreamer's ASD (arXiv:2407.02040, eq. 9).

    Attributes:
        eta: t grows by up to eta (t - t_min), uniformly; ``plus_ratio`` in the released code.
    """

    eta: float = 0.1
    kind: Literal["base_shifted"] = "base_shifted"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse shifts out of range."""
        if not 0.0 <= self.eta <= 10.0:
            raise ValueError(f"expected eta from 0 to 10, got {self.eta}")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs the text prediction at ``shifted``."""
        return ("shifted",)

    def shifted(
        self,
        latents: Float[Tensor, "views channels h w"],
        noised: Noised,
        alphas_cumprod: Float[Tensor, " timesteps"],
        t_min: int,
        generator: torch.Generator,
        host_t: Int[Tensor, " views"] | None = None,
    ) -> Noised:
        """Noise the latents by the same noise to t + eta (t - t_min) u; where all views share t they share u."""
        t = noised.t.cpu() if host_t is None else host_t
        u = torch.rand(len(t), generator=generator)
        u = u[:1].expand(len(t)) if (t == t[0]).all() else u
        later = t + (self.eta * (t - t_min).clamp_min(0) * u).round().long()
        later = uploaded(later.clamp_max(len(alphas_cumprod) - 1), noised.t)
        return add_noise(latents, noised.noise, later, alphas_cumprod)

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the text prediction at the later timestep."""
        return noise_preds["shifted"]


@dataclass(frozen=True)
class PathScore:
    """The empty prompt's score at the path's last point before t: LucidDreamer's ISM (arXiv:2311.11284).

    It is eq. 4 of the supplement.

    It costs nothing, as DDIM inversion has made it already.
    """

    kind: Literal["path"] = "path"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs no prediction at x_t."""
        return ()

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return eps(x_s, s, empty).

        Raises:
            ValueError: if no path led to x_t.
        """
        if noised.path is None:
            raise ValueError("expected noise by inversion for the path variate, got noise without a path")
        return noised.path


@dataclass(frozen=True)
class TrainedScore:
    """The score of a copy of the model that is trained on the renders: ProlificDreamer's VSD (arXiv:2305.16213, eq. 9).

    Attributes:
        rank: of the low-rank layers that are trained.
        learning_rate: of their AdamW, one step per step of the run.
        camera_dropout: share of training samples without camera.
    """

    rank: int = 4
    learning_rate: float = 1e-4
    camera_dropout: float = 0.1
    kind: Literal["lora"] = "lora"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if not (1 <= self.rank <= 256 and 0 <= self.learning_rate <= 1 and 0 <= self.camera_dropout <= 1):
            raise ValueError(
                "expected a rank from 1 to 256, and a learning_rate and a camera_dropout from 0 to 1, "
                f"got {self.rank}, {self.learning_rate}, {self.camera_dropout}"
            )

    @property
    def branches(self) -> tuple[Branch, ...]:
        """It needs the trained model's prediction."""
        return ("lora",)

    def __call__(self, noise_preds: NoisePreds, noised: Noised) -> Float[Tensor, "views channels h w"]:
        """Return the trained model's prediction at x_t."""
        return noise_preds["lora"]
