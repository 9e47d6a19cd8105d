# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
from dataclasses import dataclass, field, replace

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from transformers import ViTConfig, ViTModel

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import condition
from limbeck.distillation.context import StepContext
from limbeck.distillation.energies.critic import as_target
from limbeck.distillation.energies.energy import (
    Critics,
    Denoised,
    Energy,
    ReferenceView,
    correction,
    latent_opacity,
)
from limbeck.distillation.energies.multiview import MultiViewEnergy
from limbeck.distillation.energies.novel_view import NovelViewEnergy, other_views
from limbeck.distillation.energies.pair_classifier import PairClassifierEnergy
from limbeck.distillation.noise import add_noise
from limbeck.priors.novel_view import Viewpoints
from limbeck.priors.pair_classifier import PairClassifier, PairSettings
from limbeck.priors.patch_autoencoder import PatchAutoencoder
from limbeck.priors.prior import Cond, PriorSpec
from limbeck.representations.representation import Rendering
from limbeck.schedules import constant
from oracles.analytic_prior import AnalyticPrior

BASE = AnalyticPrior(means={"": 0.0, "a": 0.5}, spec=PriorSpec("base", image_size=8))
MULTI = AnalyticPrior(means={"": 0.0, "a": 0.7}, spec=PriorSpec("multi", image_size=4, views_per_group=4))


@dataclass(frozen=True)
class NovelViews(AnalyticPrior):
    """Takes for the mean of every view what the source shows; counts what it is asked."""

    asked: list = field(default_factory=list)

    def condition(self, rgb, reference, target):
        self.asked.append((rgb, reference, target))
        return Cond(rgb.mean((1, 2, 3))[:, None, None], reference=rgb)

    def unconditional(self, cond):
        return Cond(torch.zeros_like(cond.text), reference=torch.zeros_like(cond.reference))


NOVEL = NovelViews(spec=PriorSpec("novel", image_size=4))


class Patched(AnalyticPrior):
    """Its latents are patches of 2 x 2 pixels; like DiffusionPrior it decodes without gradients."""

    @property
    def autoencoder(self):
        generator = torch.Generator().manual_seed(1)
        shape = {"encoder.weight": (4, 3, 2, 2), "encoder.bias": (4,), "decoder.weight": (4, 3, 2, 2)}
        weights = {name: 0.1 * torch.randn(size, generator=generator).double() for name, size in shape.items()}
        return PatchAutoencoder(weights | {"mean": torch.zeros(3, 2, 2).double()})

    @torch.no_grad()
    def decode(self, latents):
        return self.autoencoder.decode(latents)


def _classifier():
    torch.manual_seed(0)
    vit = ViTModel(
        ViTConfig(
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            image_size=16,
            patch_size=8,
            initializer_range=0.5,
        ),
        add_pooling_layer=False,
    )
    return PairClassifier(vit, PairSettings(image_size=16, scales=(1.0, 0.5))).double().requires_grad_(False)


def _context(views=4, size=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    rgb, alpha, depth = (torch.rand(views, c, size, size, generator=generator) for c in (3, 1, 1))
    seen = torch.ones(views, 5, dtype=torch.bool)
    rendering = Rendering(rgb, alpha, depth, torch.zeros(views, 5, 2), seen)
    cameras = ring_cameras(views, elevation_deg=10, fov_y_deg=45, distance=3, size=size)
    return StepContext(0.5, cameras, rendering, generator)


def _denoised(context, *, t=400, channels=3, prior=BASE, dtype=torch.float32):
    rgb = context.rendering.rgb
    views, _, h, w = rgb.shape
    generator = torch.Generator().manual_seed(5)
    latents, noise = (torch.randn(views, channels, h, w, generator=generator).to(dtype) for _ in range(2))
    noised = add_noise(latents, noise, torch.full((views,), t), prior.alphas_cumprod.to(dtype))
    uncond = prior.eps(noised.xt, noised.t, Cond(torch.zeros(views, 1, 1))).to(dtype)
    return Denoised(prior, noised, uncond, latent_opacity(context.rendering.alpha, h, w).to(dtype))


def _critics(**others):
    return Critics(multi_view=condition(MULTI, "a", ""), novel_view=NOVEL, **others)


def _masked_x0(denoised, xt, mask):
    masked = xt * denoised.opacity if mask == "latents" else xt
    return (masked - denoised.noised.sigma * denoised.noise_pred_uncond) / denoised.noised.alpha


@pytest.mark.parametrize("energy", [MultiViewEnergy(), NovelViewEnergy(), PairClassifierEnergy()])
def test_every_energy_keeps_the_protocol_and_is_plain_data(energy):
    assert isinstance(energy, Energy)
    adapter = TypeAdapter(type(energy))
    assert adapter.validate_python(adapter.dump_python(energy, mode="json")) == energy
    with pytest.raises(ValidationError):
        adapter.validate_python({"strength": 1.0})


@pytest.mark.parametrize("mask", ["latents", "none"])
def test_the_closed_form_of_c3_is_what_autograd_finds(mask):
    context = _context()
    denoised = _denoised(context)
    found = MultiViewEnergy(mask=mask)(denoised, _critics(), context)

    context = _context()  # the same draws again
    uncond_text = [Cond(torch.full((4, 1, 1), mean)) for mean in (0.7, 0.0)]
    small = torch.nn.functional.interpolate(context.rendering.rgb, (4, 4), mode="bilinear", antialias=True)
    noised = add_noise(
        small, torch.randn(small.shape, generator=context.generator), denoised.noised.t, MULTI.alphas_cumprod
    )
    text, uncond = (MULTI.eps(noised.xt, noised.t, cond) for cond in uncond_text)
    x0_text, x0 = ((noised.xt - noised.sigma * eps) / noised.alpha for eps in (text, uncond + 50 * (text - uncond)))
    x0 = 0.5 * x0 * x0_text.std() / x0.std() + 0.5 * x0
    target = torch.nn.functional.interpolate(x0, (8, 8), mode="bilinear", align_corners=False)
    xt = denoised.noised.xt.clone().requires_grad_(True)
    energy = -0.5 * (_masked_x0(denoised, xt, mask) - target).square().sum()
    energy.backward()
    # Values are of size 10; float32 rounds each of a few dozen operations to 1e-7 of that.
    torch.testing.assert_close(found.gradient, xt.grad, atol=1e-6 * xt.grad.abs().max().item(), rtol=1e-6)
    torch.testing.assert_close(found.values.sum(), energy.detach(), rtol=1e-6, atol=0.0)


def test_c3_is_the_released_closed_form_once_its_batch_average_is_undone():
    context = _context()
    denoised = _denoised(context)
    released_lambda, views = 5.0, 4
    ours = correction([MultiViewEnergy()], denoised, _critics(), context).gradient
    again = MultiViewEnergy(weight=constant(1.0))(denoised, _critics(), _context())
    torch.testing.assert_close(ours, released_lambda / views * again.gradient)


def test_a_view_is_pulled_alike_whether_one_object_or_two_are_in_the_step():
    context = _context(8)
    denoised = _denoised(context)
    energy = MultiViewEnergy(rescale=0.0)
    both = energy(denoised, _critics(), context)
    first = _first_half(denoised)
    rendering = context.rendering
    halved = Rendering(*(getattr(rendering, name)[:4] for name in ("rgb", "alpha", "depth", "points2d", "is_visible")))
    cameras = context.cameras.select(torch.arange(8) < 4)
    alone = energy(first, _critics(), StepContext(0.5, cameras, halved, _context(8).generator))
    # The critic's fresh noise is the generator's first 4 views of draws in both.
    torch.testing.assert_close(both.gradient[:4], alone.gradient)


def _first_half(denoised):
    noised = denoised.noised
    half = replace(noised, **{name: getattr(noised, name)[:4] for name in ("xt", "t", "noise", "alpha", "sigma")})
    return Denoised(denoised.prior, half, denoised.noise_pred_uncond[:4], denoised.opacity[:4])


def test_ascending_c3_makes_it_grow():
    context = _context()
    denoised = _denoised(context, t=600)
    before = MultiViewEnergy(mask="none")(denoised, _critics(), context)
    moved = replace(denoised.noised, xt=denoised.noised.xt + 1e-3 * before.gradient)
    after = MultiViewEnergy(mask="none")(replace(denoised, noised=moved), _critics(), _context())
    assert (after.values > before.values).all()


def test_nothing_is_pulled_where_nothing_is_rendered():
    context = _context()
    empty = replace(_denoised(context), opacity=torch.zeros(4, 1, 8, 8))
    for mask in ("latents", "gradient"):
        assert not MultiViewEnergy(mask=mask)(empty, _critics(), context).gradient.any()


def test_views_with_different_timesteps_are_refused_by_the_multi_view_energy():
    context = _context()
    denoised = _denoised(context)
    mixed = replace(denoised.noised, t=torch.tensor([1, 2, 3, 4]))
    with pytest.raises(ValueError, match="share a timestep"):
        MultiViewEnergy()(replace(denoised, noised=mixed), _critics(), context)


@pytest.mark.parametrize(
    ("energy", "name"),
    [
        (MultiViewEnergy(), "multi-view prior"),
        (NovelViewEnergy(), "novel-view prior"),
        (PairClassifierEnergy(), "pair classifier"),
    ],
)
def test_an_energy_without_its_critic_says_which(energy, name):
    context = _context()
    with pytest.raises(ValueError, match=f"expected a {name}"):
        energy(_denoised(context), Critics(), context)


def test_a_critic_in_another_latent_space_is_refused_unless_compared_as_images():
    context = _context()
    with pytest.raises(ValueError, match="3 channels as base has, got 4 of multi"):
        as_target(torch.zeros(4, 4, 4, 4), MULTI, _denoised(context), "latents")
    target = as_target(torch.full((4, 3, 4, 4), 0.25), MULTI, _denoised(context), "images")
    torch.testing.assert_close(target, torch.full((4, 3, 8, 8), 0.25))


def test_the_novel_view_energy_asks_for_each_view_from_another_one():
    context = _context()
    denoised = _denoised(context)
    NOVEL.asked.clear()
    found = NovelViewEnergy()(denoised, _critics(), context)
    ((_, source, target),) = NOVEL.asked
    assert (source.azimuth_deg != target.azimuth_deg).all()
    assert sorted(source.azimuth_deg.tolist()) == sorted(target.azimuth_deg.tolist())
    assert found.gradient.shape == denoised.noised.xt.shape


def test_the_novel_view_energy_is_an_attraction_to_the_guided_prediction():
    context = _context()
    denoised = _denoised(context)
    NOVEL.asked.clear()
    found = NovelViewEnergy(shown="render")(denoised, _critics(), context)
    ((rgb, _, _),) = NOVEL.asked
    context = _context()
    other_views(4, context.generator)
    small = torch.nn.functional.interpolate(context.rendering.rgb, (4, 4), mode="bilinear", antialias=True)
    noise = torch.randn(small.shape, generator=context.generator)
    noised = add_noise(small, noise, denoised.noised.t, NOVEL.alphas_cumprod)
    means = rgb.mean((1, 2, 3))[:, None, None]
    text, uncond = (NOVEL.eps(noised.xt, noised.t, Cond(mean)) for mean in (means, torch.zeros_like(means)))
    x0 = (noised.xt - noised.sigma * (uncond + 3 * (text - uncond))) / noised.alpha
    target = torch.nn.functional.interpolate(x0, (8, 8), mode="bilinear", align_corners=False)
    xt = denoised.noised.xt.clone().requires_grad_(True)
    (-0.5 * (_masked_x0(denoised, xt, "latents") - target).square().sum()).backward()
    torch.testing.assert_close(found.gradient, xt.grad, atol=1e-4, rtol=1e-5)


def test_image_to_3d_takes_every_view_from_the_reference_picture():
    context = _context()
    viewpoint = Viewpoints(torch.tensor([5.0]), torch.tensor([30.0]), torch.tensor([2.0]))
    reference = ReferenceView(torch.full((1, 3, 16, 16), 0.3), viewpoint)
    NOVEL.asked.clear()
    energy = NovelViewEnergy(source="reference")
    energy(_denoised(context), _critics(reference=reference), context)
    ((rgb, source, _),) = NOVEL.asked
    assert source.azimuth_deg.tolist() == [30.0] * 4
    torch.testing.assert_close(rgb, torch.full((4, 3, 4, 4), 0.3))
    assert energy.critics == ("novel_view", "reference")
    with pytest.raises(ValueError, match="expected a reference picture"):
        energy(_denoised(context), _critics(), context)


def test_a_single_view_has_no_pair():
    context = _context(1)
    for energy in (NovelViewEnergy(), PairClassifierEnergy()):
        with pytest.raises(ValueError, match="at least two views"):
            energy(_denoised(context), _critics(pair_classifier=_classifier()), context)


def test_every_other_view_is_drawn():
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([other_views(4, generator) for _ in range(60)])
    assert (drawn != torch.arange(4)).all()
    assert set(drawn[:, 0].tolist()) == {1, 2, 3}


def test_the_gradient_of_c1_is_the_finite_difference_of_its_logits():
    context = _context(3, size=8)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = _denoised(context, t=200, channels=4, prior=prior, dtype=torch.float64)
    critics, energy = Critics(pair_classifier=_classifier()), PairClassifierEnergy(mask="none")
    found = energy(denoised, critics, context)
    assert found.gradient.abs().max() > 1e-3
    step = 1e-5
    for _ in range(5):
        direction = torch.randn_like(denoised.noised.xt)
        direction /= direction.norm()
        moved = [
            energy(
                replace(denoised, noised=replace(denoised.noised, xt=denoised.noised.xt + sign * step * direction)),
                critics,
                context,
            ).values.sum()
            for sign in (1, -1)
        ]
        # Central differences in float64: step^2 of truncation and 1e-16 / step of rounding, both below 1e-9.
        assert ((moved[0] - moved[1]) / (2 * step)).item() == pytest.approx(
            (found.gradient * direction).sum().item(), rel=1e-5, abs=1e-8
        )


def test_c1_masks_its_gradient_by_opacity_and_leaves_the_classifier_alone():
    context = _context(3, size=8)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = _denoised(context, t=200, channels=4, prior=prior, dtype=torch.float64)
    classifier = _classifier()
    bare, masked = (
        PairClassifierEnergy(mask=mask)(denoised, Critics(pair_classifier=classifier), context)
        for mask in ("none", "gradient")
    )
    torch.testing.assert_close(masked.gradient, bare.gradient * denoised.opacity)
    assert all(parameter.grad is None for parameter in classifier.parameters())
    assert not masked.gradient.requires_grad


def test_c1_works_where_gradients_are_off():
    context = _context(2)
    prior = Patched(means={"": 0.0}, spec=PriorSpec("patched", image_size=16))
    denoised = _denoised(context, channels=4, prior=prior, dtype=torch.float64)
    with torch.no_grad():
        found = PairClassifierEnergy()(denoised, Critics(pair_classifier=_classifier()), context)
    assert found.gradient.any()


def test_a_decoder_that_passes_no_gradient_is_refused():
    class Blind(AnalyticPrior):
        @torch.no_grad()
        def decode(self, latents):
            return latents * 1

    context = _context(2)
    blind = Blind(spec=PriorSpec("blind", image_size=8))
    with pytest.raises(ValueError, match="passes gradients, got that of blind"):
        PairClassifierEnergy()(_denoised(context, prior=blind), Critics(pair_classifier=_classifier()), context)


def test_energies_add_up_by_their_weights():
    energies = [MultiViewEnergy(weight=constant(2.0)), NovelViewEnergy(weight=constant(0.5))]
    context = _context()
    denoised = _denoised(context)
    found = correction(energies, denoised, _critics(), context)
    context = _context()
    alone = [energy(denoised, _critics(), context) for energy in energies]
    torch.testing.assert_close(found.gradient, 2.0 * alone[0].gradient + 0.5 * alone[1].gradient)
    assert found.values == tuple(float(one.values.mean()) for one in alone)


def test_an_energy_of_weight_zero_neither_draws_nor_asks():
    context = _context()
    before = context.generator.get_state()
    found = correction([MultiViewEnergy(weight=constant(0.0))], _denoised(context), Critics(), context)
    assert not found.gradient.any()
    assert found.values == (0.0,)
    assert torch.equal(context.generator.get_state(), before)
