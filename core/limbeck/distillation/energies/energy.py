# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Joint score distillation (JointDreamer, arXiv:2407.12291): what every energy gets and gives.

r = guidance(eps at x_t) - variate - sigma_t * sum_e lambda_e dC_e/dx_t

C is larger where views agree: the sign of classifier guidance, which is that of the released code. The supplement's
section 2 puts exp(C) on q, which would make views disagree; its final formula has this sign but neither sigma_t nor
lambda. C is normalised per view: C = sum over views of C_i, and dC/dx_t of a view does not depend on how many there
are. The released code divides by the batch as well, so its lambda of 5 at four views is 1.25 here.

All energies look at predicted clean latents, never at noise: x0 = (x_t - sigma_t sg(eps_uncond)) / alpha_t. So dx0/dx_t
is diagonal, and nothing goes back through a diffusion model.

C(II) and C(III) compare clean latents, so that sigma_t dC/dx_t grows with gamma_t^2 = (sigma_t / alpha_t)^2: at the
noisiest timesteps it would be a hundred times the residual, and all that the step does. Each energy therefore has a
``max_share``, the norm that its correction may have in a view, as a share of the residual without energies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from pydantic import BeforeValidator, Field
from torch import Tensor
from torch.nn.functional import interpolate

from limbeck.distillation.conditioning import Conditioned
from limbeck.distillation.context import StepContext
from limbeck.distillation.noise import Noised
from limbeck.priors.novel_view import Viewpoints
from limbeck.priors.pair_classifier import PairClassifier
from limbeck.priors.prior import Cond, Prior
from limbeck.schedules import Schedule

MAX_SHARE = 1.0
"""As long as the residual: neither can drown the other. On the embedded priors C(III) of lambda 1.25 against SDS at
guidance 10 has 0.01 of its norm at t = 0.02 T, 0.9 at 0.4, 17 at 0.8 and 113 at 0.98 (medians over 12 views of a
half-formed penguin), so that below 0.4 the released gradient is as it was."""
CriticRole = Literal["multi_view", "novel_view", "pair_classifier", "reference"]
"""What an energy can need of ``Critics``."""
Mask = Literal["latents", "gradient", "none"]
"""Where opacity o enters: x0 = (o x_t - sigma eps) / alpha as released; only dC/dx_t, times o; or nowhere.

The released form makes x0 a multiple of noise, (o - 1) x_t / alpha, wherever something is half transparent.
"""


def read_max_share(value: Any) -> Any:
    """Read ``off`` and ``none`` as no limit."""
    return None if isinstance(value, str) and value.strip().lower() in ("off", "none") else value


MaxShare = Annotated[Annotated[float, Field(gt=0)] | None, BeforeValidator(read_max_share)]


@dataclass(frozen=True)
class ReferenceView:
    """The picture that image-to-3D starts from.

    Attributes:
        rgb: sRGB in 0 to 1.
        viewpoint: where it was seen from; one.
    """

    rgb: Float[Tensor, "1 3 H W"]
    viewpoint: Viewpoints


@runtime_checkable
class NovelView(Prior, Protocol):
    """A prior of the same object from another camera, such as ``novel_view.NovelViewPrior``."""

    def condition(self, rgb: Float[Tensor, "views 3 H W"], reference: Viewpoints, target: Viewpoints) -> Cond:
        """Return the condition that asks for ``target`` views of what the pictures show."""
        ...

    def unconditional(self, cond: Cond) -> Cond:
        """Return the condition of the unconditional branch."""
        ...


@dataclass(frozen=True)
class Critics:
    """The models that judge coherence; None where no energy of the run needs one."""

    multi_view: Conditioned | None = None
    novel_view: NovelView | None = None
    pair_classifier: PairClassifier | None = None
    reference: ReferenceView | None = None


@dataclass(frozen=True)
class Denoised:
    """The term's views, as its prior's unconditional branch sees them.

    Attributes:
        prior: the term's; it says what the latents mean.
        noised: the latents at t.
        noise_pred_uncond: eps of the unconditional branch at x_t, detached.
        opacity: of the rendered views, detached, at latent resolution (``latent_opacity``).
    """

    prior: Prior
    noised: Noised
    noise_pred_uncond: Float[Tensor, "views channels h w"]
    opacity: Float[Tensor, "views 1 h w"]

    def x0_pred(self, mask: Mask = "none") -> Float[Tensor, "views channels h w"]:
        """Return the predicted clean latents, detached."""
        xt = self.noised.xt * self.opacity if mask == "latents" else self.noised.xt
        return ((xt - self.noised.sigma * self.noise_pred_uncond) / self.noised.alpha).detach()

    def to_xt(
        self, x0_gradient: Float[Tensor, "views channels h w"], mask: Mask
    ) -> Float[Tensor, "views channels h w"]:
        """Return dC/dx_t of dC/dx0: times o / alpha, or 1 / alpha without a mask."""
        masked = x0_gradient if mask == "none" else x0_gradient * self.opacity
        return masked / self.noised.alpha


@dataclass(frozen=True)
class EnergyGradient:
    """What an energy answers.

    Attributes:
        gradient: dC/dx_t, the direction in which views agree more.
        values: C_i of each view, for the log.
    """

    gradient: Float[Tensor, "views channels h w"]
    values: Float[Tensor, " views"]


@runtime_checkable
class Energy(Protocol):
    """A frozen dataclass with ``kind``, callable; it draws from ``context.generator`` alone."""

    @property
    def weight(self) -> Schedule:
        """Lambda, over the run; at 0 nothing is computed."""
        ...

    @property
    def max_share(self) -> float | None:
        """Most that its correction may be in a view, as a share of the residual's norm; None is no limit."""
        ...

    @property
    def critics(self) -> tuple[CriticRole, ...]:
        """Which critics it needs."""
        ...

    @property
    def views_per_group(self) -> int:
        """How many views of one object it needs at once: 4 for the multi-view prior, 2 for pairs, 1."""
        ...

    def __call__(self, denoised: Denoised, critics: Critics, context: StepContext) -> EnergyGradient:
        """Return dC/dx_t, without lambda and sigma_t."""
        ...


@dataclass(frozen=True)
class Correction:
    """The weighted sum of energies.

    Attributes:
        gradient: sum_e lambda_e dC_e/dx_t; the residual loses sigma_t times it.
        values: mean over views of each energy's C, in their order, on the device; 0 where the weight is 0.
    """

    gradient: Float[Tensor, "views channels h w"]
    values: tuple[Float[Tensor, ""], ...]


def correction(
    energies: Sequence[Energy],
    denoised: Denoised,
    critics: Critics,
    context: StepContext,
    residual_norms: Float[Tensor, " views"] | None = None,
) -> Correction:
    """Return the weighted sum of energies; one whose weight is 0 neither computes nor draws.

    Args:
        energies: whose gradients to add.
        denoised, critics, context: what they get.
        residual_norms: of the residual without energies, divided by what the sum will be multiplied by; what
            ``max_share`` is a share of. None leaves all energies as they are.
    """
    total = torch.zeros_like(denoised.noised.xt)
    values = []
    for energy in energies:
        weight = energy.weight(context.progress)
        found = energy(denoised, critics, context) if weight else None
        values.append(found.values.detach().mean() if found else total.new_zeros(()))
        if found is not None:
            total = total + limited(weight * found.gradient, energy.max_share, residual_norms)
    return Correction(total, tuple(values))


def limited(
    gradient: Float[Tensor, "views channels h w"], max_share: float | None, norms: Float[Tensor, " views"] | None
) -> Float[Tensor, "views channels h w"]:
    """Return each view's gradient, shortened to ``max_share`` of its norm in ``norms`` where it is longer."""
    if max_share is None or norms is None:
        return gradient
    own = gradient.flatten(1).norm(dim=1)
    factor = torch.where(own > max_share * norms, max_share * norms / own, 1.0)
    return gradient * factor[:, None, None, None]


def latent_opacity(alpha: Float[Tensor, "views 1 H W"], h: int, w: int) -> Float[Tensor, "views 1 h w"]:
    """Return rendered opacity at latent resolution, detached."""
    return fit(alpha.detach(), h, w)


def fit(images: Float[Tensor, "views channels H W"], h: int, w: int) -> Float[Tensor, "views channels h w"]:
    """Resize bilinearly, antialiased where smaller."""
    if images.shape[-2:] == (h, w):
        return images
    return interpolate(images, (h, w), mode="bilinear", antialias=True, align_corners=False)
