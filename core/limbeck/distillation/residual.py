# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The one equation, evaluated.

r = guidance(eps at x_t) - variate - sigma_t * sum_e lambda_e dC_e/dx_t        gradient of the latents = w(t) * r
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limbeck.cameras import mvdream_camera
from limbeck.devices import uploaded
from limbeck.distillation.conditioning import Conditioned, Speaker
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.energy import Critics, Denoised, correction, latent_opacity
from limbeck.distillation.multi_step import grid_to, walk_down
from limbeck.distillation.noise import Noised, noised_at
from limbeck.distillation.requests import Branch, Eps, NoisePreds, Request, mix_uncond, predict, uncond_branches
from limbeck.distillation.term import Term
from limbeck.distillation.variates import ShiftedBaseScore
from limbeck.distillation.weighting import weight_of
from limbeck.priors.control import depth_control
from limbeck.priors.lora import TrainedCopy
from limbeck.priors.prior import Cond

OPAQUE = 0.5
"""Opacity from which a pixel's depth counts as the object's in a control."""


@dataclass(frozen=True)
class Helpers:
    """The models that a term needs beside its prior.

    Attributes:
        critics: of its energies.
        trained: of the LoRA variate.
    """

    critics: Critics = Critics()
    trained: TrainedCopy | None = None


@dataclass(frozen=True)
class Residual:
    """What a term wants changed.

    Attributes:
        gradient: w(t) * r, the gradient of the latents.
        magnitude: root mean square of r, for the log; on the device, as reading it waits for all that came before.
        depth_loss: weighted consistency loss, whose gradient reaches the rendered depth alone; None without.
        energies: mean over views of each energy, for the log.
        shared_noise: as ``noise.Noised.shared`` says.
    """

    gradient: Float[Tensor, "views channels h w"]
    magnitude: Float[Tensor, ""]
    depth_loss: Float[Tensor, ""] | None = None
    energies: tuple[Float[Tensor, ""], ...] = ()
    shared_noise: float | None = None


@dataclass(frozen=True)
class Asker:
    """Makes a term's requests: what its prior is asked for, and under which conditions."""

    term: Term
    speaker: Speaker
    context: StepContext

    @property
    def negative(self) -> float:
        """Share of the negative prompt in the unconditional branch."""
        return self.term.negative(self.context.progress)

    @property
    def uncond_branches(self) -> tuple[Branch, ...]:
        """The negative prompt, the empty one, or both to be mixed."""
        has_negative = isinstance(self.speaker, Conditioned) and self.speaker.has_negative
        return uncond_branches(self.negative, has_negative=has_negative)

    def cond(self, branch: Branch) -> Cond:
        """Return the condition of one branch."""
        term, progress = self.term, self.context.progress
        controlled = term.prior == "structure"
        cond = self.speaker.conds(
            self.context.cameras,
            branch,
            view_prompts="interpolated" if term.guidance.perp_neg and term.view_prompts else term.view_prompts,
            image_scale=term.image_scale(progress),
            control=self._control() if controlled else None,
        )
        if not controlled:
            return cond
        text = cond.text
        gate = torch.full((len(text),), term.control_scale(progress), device=text.device, dtype=text.dtype)
        return replace(cond, control_scale=gate)

    def ask(self, branches: tuple[Branch, ...], noised: Noised, shifted: Noised | None = None) -> dict[Branch, Tensor]:
        """Return the predictions of all branches from one forward pass.

        Without an image prompt ``base`` is ``text`` and asked for once; ``uncond`` is mixed where it is a mixture.
        """
        has_image = isinstance(self.speaker, Conditioned) and self.speaker.image is not None
        wanted = dict.fromkeys(branches)
        asked = {branch: None for branch in wanted if branch not in ("uncond", "lora")}
        asked |= dict.fromkeys(self.uncond_branches) if "uncond" in wanted else {}
        if "base" in asked and not has_image:
            del asked["base"]
            asked["text"] = None
        requests = [self._request(branch, noised, shifted) for branch in asked]
        found = predict(self.speaker.prior, requests) if requests else {}
        return self._completed(found, wanted)

    def _request(self, branch: Branch, noised: Noised, shifted: Noised | None) -> Request:
        at = shifted if branch == "shifted" and shifted is not None else noised
        return Request(branch, at.xt, at.t, self.cond(branch))

    def _completed(self, found: dict[Branch, Tensor], wanted: dict[Branch, None]) -> dict[Branch, Tensor]:
        if "base" in wanted and "base" not in found:
            found["base"] = found["text"]
        if "uncond" in wanted:
            mix_uncond(found, self.negative)
        return found

    def at(self, branch: Branch) -> Eps:
        """Return one branch's prediction as a function of x_t and t."""
        cond = self.cond(branch)
        return lambda xt, t: self.speaker.prior.eps(xt, t, cond)

    def _control(self) -> Float[Tensor, "views 3 H W"]:
        rendering, size = self.context.rendering, self.speaker.prior.spec.image_size
        if self.term.control == "start":
            if self.context.guide is None:
                raise ValueError("expected the shape that the run starts from for control=start, got none")
            depth = self.context.guide.depth(self.context.cameras.resized(size, size))
            return depth_control(depth, depth > 0)
        control = depth_control(rendering.depth[:, 0].detach(), rendering.alpha[:, 0].detach() > OPAQUE)
        if control.shape[-1] == size:
            return control
        return torch.nn.functional.interpolate(control, (size, size), mode="bilinear", antialias=True)


def residual(
    term: Term,
    speaker: Speaker,
    latents: Float[Tensor, "views channels h w"],
    context: StepContext,
    helpers: Helpers = Helpers(),
) -> Residual:
    """Evaluate the equation at the top of this file for a batch of views.

    All branches that the term needs at x_t go through the model in one batched forward pass; a path to x_t, a walk back
    and the trained copy take passes of their own.

    Args:
        term: what to evaluate.
        speaker: its prior and what the run says to it.
        latents: clean latents x_0 of the rendered views, encoded by the prior.
        context: the views; whole groups of the prior's ``views_per_group``.
        helpers: what energies and variate need.
    """
    prior, progress = speaker.prior, context.progress
    drawn = draw_timesteps(term, len(latents), len(prior.alphas_cumprod), context)
    context, t = replace(context, host_t=drawn), uploaded(drawn, latents.device)
    asker = Asker(term, speaker, context)
    walking = replace(context, empty_eps=asker.at("empty")) if term.noise.kind == "inversion" else context
    noised = term.noise(latents, t, prior.alphas_cumprod, context.generator, walking)
    is_corrected = bool(term.energies) and term.energy_weight(progress) != 0.0
    branches = (*term.guidance.branches, *term.variate.branches, *(("uncond",) if is_corrected else ()))
    noise_preds = asker.ask(branches, noised, _shifted(term, latents, noised, asker))
    if "lora" in branches:
        noise_preds["lora"] = _trained_eps(helpers, noised, asker)
    target = _guided(asker, noise_preds, noised)
    if term.guidance.multi_step is not None:
        target = _walked(asker, target, noised)
    r = target - term.variate(noise_preds, noised)
    values: tuple[Tensor, ...] = ()
    if is_corrected:
        _, _, h, w = latents.shape
        denoised = Denoised(prior, noised, noise_preds["uncond"], latent_opacity(context.rendering.alpha, h, w))
        factor = term.energy_weight(progress) * noised.sigma
        norms = r.flatten(1).norm(dim=1) / factor.abs().flatten()
        judged = replace(context, negative=asker.negative)
        found = correction(term.energies, denoised, helpers.critics, judged, norms)
        r, values = r - factor * found.gradient, found.values
    depth_loss = _consistency(term, target, noised, context)
    gradient, magnitude = weight_of(term.weighting, noised) * r, r.square().mean().sqrt()
    return Residual(gradient, magnitude, depth_loss, values, noised.shared)


def draw_timesteps(term: Term, views: int, timesteps: int, context: StepContext) -> Int[Tensor, " views"]:
    """Draw each view's timestep; a view and its neighbour share theirs."""
    rule = replace(term.timesteps, is_shared=term.shares_timestep)
    if context.pairs is None:
        return rule(context.progress, views, timesteps, context.generator)
    return rule(context.progress, views // 2, timesteps, context.generator).repeat(2)


def _shifted(term: Term, latents: Tensor, noised: Noised, asker: Asker) -> Noised | None:
    if not isinstance(term.variate, ShiftedBaseScore):
        return None
    alphas_cumprod, context = asker.speaker.prior.alphas_cumprod, asker.context
    lowest = term.timesteps.lowest(context.progress, len(alphas_cumprod))
    return term.variate.shifted(latents, noised, alphas_cumprod, lowest, context.generator, context.host_t)


def _guided(asker: Asker, noise_preds: NoisePreds, noised: Noised) -> Tensor:
    context, spec = asker.context, asker.speaker.prior.spec
    return asker.term.guidance(noise_preds, noised, context.progress, spec.views_per_group, context.cameras)


def _walked(asker: Asker, first: Tensor, noised: Noised) -> Tensor:
    """Return what ``walk_down`` makes of the guided prediction."""
    rule, alphas_cumprod = asker.term.guidance.multi_step, asker.speaker.prior.alphas_cumprod
    if rule is None:
        return first
    steps = len(alphas_cumprod)
    stride, interval = round(rule.stride * steps), round(rule.interval(asker.context.progress) * steps)

    def guided(xt: Tensor, t: Tensor) -> Tensor:
        here = noised_at(xt, t, alphas_cumprod)
        return _guided(asker, asker.ask(asker.term.guidance.branches, here), here)

    on_host = noised.t.cpu() if asker.context.host_t is None else asker.context.host_t
    grid = [uploaded(t, noised.t) for t in grid_to(on_host, max(1, stride), max(1, interval))]
    return walk_down(guided, first, noised, grid, alphas_cumprod)


def trained_cond(speaker: Speaker, context: StepContext) -> Cond:
    """Return what the trained copy is conditioned on: the prompt without view words, and the camera."""
    return replace(speaker.conds(context.cameras, "lora"), camera=mvdream_camera(context.cameras.c2w))


def _trained_eps(helpers: Helpers, noised: Noised, asker: Asker) -> Tensor:
    if helpers.trained is None:
        raise ValueError("expected a trained copy of the prior for the LoRA variate, got none")
    return helpers.trained.eps(noised.xt, noised.t, trained_cond(asker.speaker, asker.context))


def _consistency(term: Term, target: Tensor, noised: Noised, context: StepContext) -> Float[Tensor, ""] | None:
    """Return GSD's loss on the scores -eps / sigma (eq. 9) of neighbouring views."""
    if term.consistency is None or context.pairs is None or term.consistency.weight(context.progress) == 0.0:
        return None
    return term.consistency(-target / noised.sigma, context)


def surrogate_loss(
    latents: Float[Tensor, "views channels h w"], gradient: Float[Tensor, "views channels h w"], views: int
) -> Float[Tensor, ""]:
    """Return a scalar whose gradient with respect to ``latents`` is ``gradient / views``.

    Args:
        latents, gradient: of the views that the term looks at.
        views: of the whole step, so that a view weighs the same whether a term looks at one or at all of them.
    """
    return (latents * gradient.detach()).sum() / views
