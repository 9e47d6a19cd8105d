# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Guidance: how the predictions of several branches become one target.

One convention everywhere: noise_pred_uncond + s * (noise_pred_text - noise_pred_uncond). s = 1 is no guidance.
Recipes convert papers that write noise_pred_text + s * (...), where the same s means s + 1 here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from jaxtyping import Float
from pydantic import BeforeValidator, ConfigDict
from torch import Tensor

from limbeck.cameras import Cameras
from limbeck.distillation.multi_step import MultiStep
from limbeck.distillation.noise import Noised
from limbeck.distillation.perp_neg import NEGATIVES, PerpNeg, perpendicular
from limbeck.distillation.requests import Branch, NoisePreds
from limbeck.schedules import Schedule, constant


def on_or_off(value: Any) -> Any:
    """Read ``on`` as the part's defaults and ``off`` as none of it."""
    on = isinstance(value, str) and value.lower() in ("on", "true", "yes")
    off = isinstance(value, str) and value.lower() in ("off", "false", "no", "none")
    return {} if value is True or on else None if value is False or off else value


Switch = BeforeValidator(on_or_off)
PerpNegSwitch = Annotated[PerpNeg | None, Switch]
MultiStepSwitch = Annotated[MultiStep | None, Switch]


@dataclass(frozen=True)
class ClassifierFreeGuidance:
    """Classifier-free guidance (arXiv:2207.12598), optionally rescaled (arXiv:2305.08891, eq. 15-16).

    Attributes:
        scale: s above.
        rescale: share of the rescaled x0 in the result, 0 to 1, over the run; MVDream's code takes 0.5.
        perp_neg: steers away from other views than the prompt's; its prompts are interpolated between view words.
        multi_step: walks down to x0 in several guided steps instead of one.
    """

    scale: Schedule = constant(7.5)
    rescale: Schedule = constant(0.0)
    perp_neg: PerpNegSwitch = None
    multi_step: MultiStepSwitch = None
    kind: Literal["cfg"] = "cfg"

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    def __post_init__(self) -> None:
        """Refuse a share outside 0 to 1."""
        shares = [share for _, share in self.rescale.points]
        if not all(0.0 <= share <= 1.0 for share in shares):
            raise ValueError(f"expected a rescale from 0 to 1, got {shares}")

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Which predictions it needs."""
        return ("text", "uncond", *(NEGATIVES if self.perp_neg else ()))

    def __call__(
        self,
        noise_preds: NoisePreds,
        noised: Noised,
        progress: float,
        views_per_group: int = 1,
        cameras: Cameras | None = None,
    ) -> Float[Tensor, "views channels h w"]:
        """Return the guided noise prediction at x_t.

        Args:
            noise_preds: of ``branches``.
            noised: where they were made.
            progress: how far the run is.
            views_per_group: x0 is rescaled over each group of views.
            cameras: of the views; Perp-Neg needs them.

        Raises:
            ValueError: if Perp-Neg gets no cameras.
        """
        text, uncond = noise_preds["text"], noise_preds["uncond"]
        direction = text - uncond
        if self.perp_neg is not None:
            if cameras is None:
                raise ValueError("expected cameras for Perp-Neg, whose weights depend on the view, got none")
            direction = perpendicular(noise_preds, self.perp_neg.weights(cameras, progress))
        guided = uncond + self.scale(progress) * direction
        share = self.rescale(progress)
        return rescale_x0(guided, text, noised, share, views_per_group) if share else guided


def rescale_x0(
    guided: Float[Tensor, "views channels h w"],
    text: Float[Tensor, "views channels h w"],
    noised: Noised,
    share: float,
    views_per_group: int,
) -> Float[Tensor, "views channels h w"]:
    """Pull the guided x0's standard deviation towards the text branch's, over each group of views as MVDream does."""
    x0_guided = predict_x0(guided, noised)
    ratio = _group_std(predict_x0(text, noised), views_per_group) / _group_std(x0_guided, views_per_group)
    factor = share * ratio + (1 - share)
    return (noised.xt - noised.alpha * x0_guided * factor) / noised.sigma


def _group_std(latents: Float[Tensor, "views channels h w"], views: int) -> Float[Tensor, "views 1 1 1"]:
    stds = latents.reshape(len(latents) // views, -1).std(dim=1).clamp_min(1e-8)
    return stds.repeat_interleave(views)[:, None, None, None]


def predict_x0(noise_pred: Float[Tensor, "views channels h w"], noised: Noised) -> Float[Tensor, "views channels h w"]:
    """Return x0 = (x_t - sigma_t eps) / alpha_t."""
    return (noised.xt - noised.sigma * noise_pred) / noised.alpha
