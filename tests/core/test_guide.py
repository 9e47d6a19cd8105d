# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The shape that a run starts from, as terms look at it."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import trimesh

from limbeck.cameras import ring_cameras
from limbeck.config import override
from limbeck.distillation.conditioning import condition
from limbeck.distillation.consistent_noise import ConsistentNoise
from limbeck.distillation.context import StepContext
from limbeck.distillation.guide import Guide, guide_from
from limbeck.distillation.residual import residual
from limbeck.distillation.term import Term
from limbeck.equation import equation_of
from limbeck.errors import LimbeckError
from limbeck.generate import GenerationSettings, generate
from limbeck.priors.control import depth_control
from limbeck.priors.prior import PriorSpec
from limbeck.recipes import load_recipe
from limbeck.representations.representation import Rendering
from limbeck.representations.shape import Shape, read_shape
from oracles.analytic_prior import AnalyticPrior

RADIUS, DISTANCE, SIZE = 0.6, 3.0, 32
SPHERE = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
MESH = read_shape("mesh", SPHERE.export(file_type="ply"), ".ply")
CLOUD = Shape(np.asarray(SPHERE.vertices), None, None, None)
CAMERAS = ring_cameras(4, elevation_deg=10, fov_y_deg=40, distance=DISTANCE, size=SIZE)
CPU = torch.device("cpu")


def _exact_depth():
    """Camera z of the sphere, 0 beside it, by the quadratic equation of every pixel's ray."""
    focal, centre = CAMERAS.Ks[0, 0, 0], (torch.arange(SIZE) + 0.5 - SIZE / 2)
    y, x = torch.meshgrid(centre / focal, centre / focal, indexing="ij")
    squared = 1 + x.square() + y.square()
    inside = DISTANCE**2 - squared * (DISTANCE**2 - RADIUS**2)
    z = (DISTANCE - inside.clamp_min(0).sqrt()) / squared
    return torch.where(inside > 0, z, 0.0).expand(4, SIZE, SIZE), inside


@pytest.mark.parametrize(("shape", "tolerance", "pixels"), [(MESH, 0.01, 1.3), (CLOUD, 0.06, 2.6)])
def test_the_depth_of_a_sphere_is_the_spheres_whether_a_mesh_or_points(shape, tolerance, pixels):
    """A mesh of 5,120 faces sags by 0.1 % of its radius; the dots of a cloud are 0.03 thick on either side.

    Outlines, where a step of a pixel changes ``inside`` by 0.078, are left out."""
    depth = guide_from(shape, CPU).depth(CAMERAS)
    exact, inside = _exact_depth()
    is_clear = (inside.abs() > 0.078 * pixels).expand(4, SIZE, SIZE)
    assert torch.equal((depth > 0)[is_clear], (exact > 0)[is_clear])
    both = is_clear & (exact > 0)
    assert both.float().mean() > 0.1
    assert (depth - exact)[both].abs().max() < tolerance


@pytest.mark.parametrize("shape", [MESH, CLOUD])
def test_its_points_lie_on_it_and_reach_half_as_far_as_they_are_apart(shape):
    points = guide_from(shape, CPU).points
    torch.testing.assert_close(
        points.positions.norm(dim=-1), torch.full((len(points.positions),), RADIUS), atol=2e-3, rtol=0
    )
    spacing = (4 * np.pi * RADIUS**2 / len(points.positions)) ** 0.5
    assert points.sigmas.mean().item() == pytest.approx(spacing / 2, rel=0.2)


def test_a_large_cloud_is_thinned():
    many = Shape(np.random.default_rng(0).normal(size=(50_000, 3)), None, None, None)
    assert len(guide_from(many, CPU).positions) == 16_667


@dataclass(frozen=True)
class Listening(AnalyticPrior):
    """A prior in closed form that keeps the controls it hears."""

    heard: tuple = ()

    def eps(self, xt, t, cond):
        self.heard[0].append(cond.control)
        return AnalyticPrior.eps(self, xt, t, replace(cond, control=None, control_scale=None))


def _residual_of(term, prior, guide, alpha):
    rendering = Rendering(alpha.repeat(1, 3, 1, 1), alpha, 3 * alpha)
    context = StepContext(0.5, CAMERAS, rendering, torch.Generator().manual_seed(0), guide=guide)
    return residual(term, condition(prior, "a", ""), torch.zeros(4, 3, 4, 4), context)


@pytest.mark.parametrize("control", ["start", "object"])
def test_the_prior_is_held_to_the_start_however_far_the_object_has_moved_on(control):
    heard = []
    prior = Listening(means={"": 0.0, "a": 1.0}, heard=(heard,), spec=PriorSpec("analytic", image_size=SIZE))
    guide, alpha = guide_from(MESH, CPU), torch.ones(4, 1, SIZE, SIZE)
    _residual_of(Term(prior="structure", control=control), prior, guide, alpha)
    depth = guide.depth(CAMERAS)
    expected = depth_control(depth, depth > 0) if control == "start" else torch.ones(4, 3, SIZE, SIZE)
    assert len(heard) == 1
    for branch in heard[0].chunk(2):  # with words and without
        torch.testing.assert_close(branch, expected)


def test_noise_on_the_start_sits_on_its_points_and_needs_them():
    noise, latents, t = ConsistentNoise(points="start"), torch.zeros(4, 3, 16, 16), torch.full((4,), 500)
    alphas_cumprod = torch.linspace(0.99, 0.01, 1000)
    guide, exact = guide_from(CLOUD, CPU), _exact_depth()[0][:, None]
    alpha = (exact > 0).float()
    context = StepContext(
        0.5, CAMERAS, Rendering(exact.repeat(1, 3, 1, 1), alpha, exact), torch.Generator().manual_seed(0), guide=guide
    )
    given = replace(context, points=guide.points.positions, point_sigmas=guide.points.sigmas, guide=None)
    drawn = noise(latents, t, alphas_cumprod, torch.Generator().manual_seed(1), context)
    same = ConsistentNoise()(latents, t, alphas_cumprod, torch.Generator().manual_seed(1), given)
    assert torch.equal(drawn.noise, same.noise)
    with pytest.raises(ValueError, match="expected points for consistent noise, got none of the start"):
        noise(latents, t, alphas_cumprod, torch.Generator(), given)


@pytest.mark.parametrize(
    ("recipe", "changes", "setting"),
    [
        ("luciddreamer-avatar", {}, "terms.0.control"),
        ("gsd-cloud", {}, "terms.0.control"),
        ("gsd-cloud", {"prior": "text_to_image"}, "terms.0.noise.points"),
        ("limbeck", {"terms.1.noise": {"kind": "consistent", "points": "start"}}, "terms.1.noise.points"),
    ],
)
def test_a_recipe_that_looks_at_the_start_is_refused_without_one(recipe, changes, setting):
    found = override(load_recipe(recipe), changes)
    with pytest.raises(LimbeckError, match=rf"{setting}=start in {recipe}, got none") as refused:
        next(generate(GenerationSettings("a red mug", found)))
    assert refused.value.code == "E_RECIPE_INVALID"
    assert "--init MESH or --init POINTS" in refused.value.remedy


def test_recipes_that_do_not_look_at_it_need_none():
    assert override(load_recipe("luciddreamer-avatar"), {"control": "object"}).start_setting is None
    assert override(load_recipe("luciddreamer-avatar"), {"prior": "text_to_image"}).start_setting is None
    assert load_recipe("gsd").start_setting is None


def test_the_equation_says_what_looks_at_the_start():
    assert "depth of the start" in equation_of(load_recipe("luciddreamer-avatar"))[0]
    assert "noise consistent on the start's points" in equation_of(load_recipe("gsd-cloud"))[0]
    assert "start" not in equation_of(load_recipe("gsd"))[0]


def test_a_guide_of_two_points_is_one():
    guide = Guide(torch.tensor([[0.0, 0.0, -0.5], [0.0, 0.0, 0.5]]))
    assert guide.points.sigmas.tolist() == [0.5, 0.5]
    assert (guide.depth(CAMERAS) > 0).any()
