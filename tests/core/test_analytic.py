# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from limbeck.priors.analytic import LEAST, MixturePrior, standard_alphas_cumprod
from limbeck.priors.prior import Cond, TextPrior
from oracles.analytic_prior import AnalyticPrior

MEANS = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
PRIOR = MixturePrior(MEANS, ("ball front", "ball back", "cube"), alphas_cumprod=standard_alphas_cumprod())


def _cond(*prompts, **others):
    return Cond(PRIOR.encode_text(prompts), **others)


def _noisy():
    return torch.randn(2, 3, 4, 4, dtype=torch.float64), torch.tensor([50, 900])


def test_it_is_a_prior():
    assert isinstance(PRIOR, TextPrior)


@pytest.mark.parametrize("prompt", ["", "ball", "cube"])
def test_eps_is_the_score_of_its_density(prompt):
    (xt, t), cond = _noisy(), _cond(prompt, prompt)
    xt.requires_grad_(True)
    (score,) = torch.autograd.grad(PRIOR.log_density(xt, t, cond).sum(), xt)
    sigma = (1 - PRIOR.alphas_cumprod[t]).sqrt()[:, None, None, None]
    torch.testing.assert_close(PRIOR.eps(xt, t, cond), -sigma * score, atol=1e-12, rtol=1e-10)


def test_its_density_is_normalised():
    """One number per image: the integral over the line is 1."""
    line = MixturePrior(torch.tensor([-1.0, 2.0]).view(2, 1, 1, 1).double(), ("a", "b"))
    x = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    cond = Cond(line.encode_text([""]).expand(len(x), -1, -1))
    density = line.log_density(x[:, None, None, None], torch.full((len(x),), 300), cond).exp()
    assert torch.trapezoid(density, x).item() == pytest.approx(1.0, abs=1e-6)


def test_a_prompt_picks_the_components_that_share_most_words():
    weights = PRIOR.encode_text(["ball, front view", "ball", "cube", "", "tree"])[:, 0].exp()
    least = torch.tensor(LEAST).exp().item()
    expected = [[1, 0, 0], [0.5, 0.5, 0], [0, 0, 1], [1 / 3] * 3, [1 / 3] * 3]
    torch.testing.assert_close(weights, torch.tensor(expected).double(), atol=2 * least, rtol=1e-6)


def test_one_component_is_one_gaussian():
    single, twin = MixturePrior(torch.full((1, 1, 1, 1), 2.0), ("a",)), AnalyticPrior(means={"a": 2.0})
    xt, t = torch.randn(2, 3, 4, 4), torch.tensor([50, 900])
    found = single.eps(xt, t, Cond(single.encode_text(["a", "a"])))
    torch.testing.assert_close(found, twin.eps(xt, t, Cond(twin.encode_text(["a", "a"]))))


def test_an_image_prompt_picks_what_it_shows_and_its_gate_closes_bit_for_bit():
    (xt, t), image = _noisy(), PRIOR.encode_image(MEANS[2:])[None].expand(2, -1, -1)
    bare = PRIOR.eps(xt, t, _cond("", ""))
    shut = PRIOR.eps(xt, t, _cond("", "", image=image, image_scale=torch.zeros(2)))
    wide = PRIOR.eps(xt, t, _cond("", "", image=image))
    assert torch.equal(bare, shut)
    torch.testing.assert_close(wide, PRIOR.eps(xt, t, _cond("cube", "cube")), atol=1e-6, rtol=1e-6)


def test_components_without_names_are_refused():
    with pytest.raises(ValueError, match="a name for each of 3 components, got 1"):
        MixturePrior(MEANS, ("ball",))
