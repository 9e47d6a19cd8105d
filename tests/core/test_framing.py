# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""References as a run uses them: framed for priors, or as their own cameras saw them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from limbeck.cameras import Cameras, ring_cameras
from limbeck.distillation.references import target_loss
from limbeck.errors import LimbeckError
from limbeck.framing import FILL, Reference, framed, known_background, targets, viewpoint_of
from limbeck.priors.prior import PriorSpec
from limbeck.representations.gaussians import Gaussians, GaussianSettings, initial_gaussians
from oracles.drawings import RED, disc

SPEC = PriorSpec("prior", image_size=64, background=(0.3, 1.0))
DISC = np.asarray(disc())


def _camera(width=96, height=64, azimuth=30.0):
    ring = ring_cameras(1, elevation_deg=10, fov_y_deg=45, distance=3, size=height, start_deg=azimuth)
    Ks = ring.Ks.clone()
    Ks[:, 0, 2] = width / 2
    return Cameras(ring.c2w, Ks, width, height, ring.elevation_deg, ring.azimuth_deg)


def test_an_object_is_centred_and_scaled_as_in_training_pictures():
    rgb = framed(Reference(DISC), SPEC)[0]
    is_red = rgb[0] > rgb[1] + 0.3
    rows, columns = is_red.any(1).nonzero()[:, 0], is_red.any(0).nonzero()[:, 0]
    for found in (rows, columns):
        assert found[-1] - found[0] + 1 == pytest.approx(FILL * 64, abs=2)
        assert found[0] + found[-1] == pytest.approx(63, abs=1)
    torch.testing.assert_close(rgb[:, 32, 32], torch.tensor(RED) / 255, atol=0.01, rtol=0)


def test_where_nothing_is_lies_a_background_that_the_prior_knows():
    assert known_background(SPEC) == pytest.approx(0.65)
    torch.testing.assert_close(framed(Reference(DISC), SPEC)[0, :, 0, 0], torch.full((3,), 0.65))
    assert framed(Reference(DISC), replace(SPEC, background=None))[0, :, 0, 0].tolist() == [1.0] * 3


def test_a_frame_may_reach_beyond_the_picture():
    whole = np.asarray(disc(24, 24, centre=(12, 12), radius=12))
    torch.testing.assert_close(
        framed(Reference(whole), SPEC), framed(Reference(np.asarray(disc(80, 80, centre=(40, 40)))), SPEC)
    )


def test_a_wide_picture_and_its_camera_become_square_and_still_agree():
    """The ray through the disc's centre must stay the same."""
    camera = _camera()
    reference = Reference(DISC, camera, use="both")
    found = targets([reference], 48)
    assert (found.cameras.width, found.cameras.height, found.rgb.shape[2:]) == (48, 48, (48, 48))
    weights = found.alpha[0, 0] / found.alpha.sum()
    middles = torch.arange(48) + 0.5
    at = torch.stack([(weights.sum(0) * middles).sum(), (weights.sum(1) * middles).sum(), torch.tensor(1.0)])
    ray = torch.linalg.solve(found.cameras.Ks[0], at)
    expected = torch.linalg.solve(camera.Ks[0], torch.tensor([60.0, 24.0, 1.0]))
    torch.testing.assert_close(ray, expected, atol=0.01, rtol=0)


def test_targets_are_those_with_a_photometric_use():
    references = [Reference(DISC), Reference(DISC, _camera(), 3.0, "photometric"), Reference(DISC, _camera())]
    assert targets(references, 16).weights.tolist() == [3.0]
    assert targets(references[:1], 16) is None


def test_targets_take_turns_where_they_are_more_than_a_step_renders():
    found = targets([Reference(DISC, _camera(), w, "both") for w in (1.0, 2.0, 3.0, 4.0, 5.0)], 16)
    assert [found.turn(step, 2).weights.tolist() for step in range(3)] == [[1.0, 2.0], [3.0, 4.0], [1.0, 5.0]]
    assert found.turn(7, 5) is found


def test_targets_over_the_same_background_as_the_render_cost_nothing_when_it_is_right():
    found = targets([Reference(DISC, _camera(), 2.0, "both")], 16)
    for background in (0.2, 0.9):
        assert target_loss(found.over(background), found, background).item() == 0.0
        off = target_loss(found.over(background) + 0.5, found, background)
        assert off.item() == pytest.approx(2.0 * 0.25 * 3 * 256, rel=1e-5)
    assert target_loss(found.over(0.2), found, 0.9).item() > 1.0


def test_a_render_is_pulled_towards_a_target_that_is_not_square():
    camera = _camera(azimuth=0.0)
    found = targets([Reference(DISC, camera, use="both")], 32)
    gaussians: Gaussians = initial_gaussians(
        GaussianSettings(count=200), torch.Generator().manual_seed(0), torch.device("cpu")
    )
    rgb = gaussians.render(found.cameras, 0.5).rgb
    assert rgb.shape == found.rgb.shape
    target_loss(rgb, found, 0.5).backward()
    assert gaussians.parameters()["means"].grad.abs().max() > 0


def test_a_posed_picture_that_is_framed_keeps_its_direction():
    front = ring_cameras(1, elevation_deg=15, fov_y_deg=45, distance=2.5, size=64)
    found = viewpoint_of(_camera(azimuth=120.0), front)
    assert found.azimuth_deg.item() == pytest.approx(120.0, abs=1e-3)
    assert found.elevation_deg.item() == pytest.approx(10.0, abs=1e-3)
    assert found.distance.item() == pytest.approx(2.5, abs=1e-5)


def _turned_away():
    camera = _camera()
    flipped = camera.c2w.clone()
    flipped[:, :3, [0, 2]] *= -1
    return replace(camera, c2w=flipped)


def _aside():
    camera = _camera()
    moved = camera.c2w.clone()
    moved[:, :3, 3] += 4 * moved[:, :3, 0]
    return replace(camera, c2w=moved)


def _at(distance):
    camera = _camera()
    moved = camera.c2w.clone()
    moved[:, :3, 3] *= distance / 3
    return replace(camera, c2w=moved)


def _skewed():
    Ks = _camera().Ks.clone()
    Ks[:, 0, 1] = 5.0
    return replace(_camera(), Ks=Ks)


@pytest.mark.parametrize(
    "camera",
    [_camera(64, 64), _camera(64, 96), _turned_away(), _aside(), _at(0.0), _at(0.01), _at(1e5), _skewed()],
)
def test_a_camera_that_cannot_have_seen_the_picture_is_refused(camera):
    with pytest.raises(LimbeckError) as refused:
        Reference(DISC, camera)
    assert refused.value.code == "E_IMAGE_CAMERA"


def test_a_photometric_reference_needs_a_camera_and_all_need_a_weight():
    with pytest.raises(ValueError, match="expected a camera"):
        Reference(DISC, use="both")
    with pytest.raises(ValueError, match="expected a weight"):
        Reference(DISC, weight=0.0)
