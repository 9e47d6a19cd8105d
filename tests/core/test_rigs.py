# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch

from limbeck.cameras import are_in_sector, ring_cameras
from limbeck.priors.prior import PriorSpec
from limbeck.rigs import CameraListRig, OrbitRig, sample_cameras

TRAINED = PriorSpec("trained", 64, fov_y_deg=(45.0, 45.0), elevation_deg=(0.0, 30.0), extent=(1.1, 1.1))
ANY = PriorSpec("any", 64)


def _draw(rig=None, spec=TRAINED, views=8, seed=0, are_orthogonal=False):
    generator = torch.Generator().manual_seed(seed)
    return sample_cameras(rig or OrbitRig(), spec, views, 64, generator, are_orthogonal=are_orthogonal)


def test_gaps_of_a_rig_are_filled_by_what_the_prior_saw():
    cameras = _draw(views=64)
    assert cameras.elevation_deg.min() >= 0
    assert cameras.elevation_deg.max() <= 30
    distances = cameras.c2w[:, :3, 3].norm(dim=-1)
    torch.testing.assert_close(distances, torch.full((64,), 1.1 / 0.41421356))


def test_a_rig_overrules_the_prior():
    cameras = _draw(OrbitRig(elevation_deg=(50.0, 60.0), distance=(4.0, 4.0)))
    assert cameras.elevation_deg.min() >= 50
    torch.testing.assert_close(cameras.c2w[:, :3, 3].norm(dim=-1), torch.full((8,), 4.0))


def test_azimuths_are_stratified_over_the_range():
    azimuth = _draw(views=8).azimuth_deg.sort().values
    strata = ((azimuth + 180) / 45).floor()
    assert strata.tolist() == list(range(8))


@pytest.mark.parametrize("spec", [TRAINED, ANY])
def test_orthogonal_views_stand_a_quarter_turn_apart_and_share_the_rest(spec):
    cameras = _draw(spec=spec, views=8, are_orthogonal=True)
    azimuth = cameras.azimuth_deg.reshape(2, 4)
    torch.testing.assert_close(azimuth.diff(dim=1), torch.full((2, 3), 90.0), atol=1e-3, rtol=0)
    for shared in (cameras.elevation_deg, cameras.c2w[:, :3, 3].norm(dim=-1), cameras.Ks[:, 0, 0]):
        assert shared.reshape(2, 4).diff(dim=1).abs().max() < 1e-4


def test_orthogonal_views_come_in_fours():
    with pytest.raises(ValueError, match="multiple of 4"):
        _draw(views=6, are_orthogonal=True)


def test_the_artists_cameras_are_drawn_by_weight_within_their_jitter():
    front_and_side = ring_cameras(4, elevation_deg=10, fov_y_deg=50, distance=3, size=64).c2w[:2]
    rig = CameraListRig(front_and_side, torch.tensor([50.0, 40.0]), torch.tensor([3.0, 1.0]), torch.tensor([5.0, 0.0]))
    cameras = _draw(rig, views=400)
    is_front = are_in_sector(cameras.azimuth_deg, (-45.0, 45.0))
    assert is_front.float().mean().item() == pytest.approx(0.75, abs=0.09)  # 400 draws: 4 standard errors
    assert cameras.azimuth_deg[is_front].abs().max() <= 5.001
    torch.testing.assert_close(cameras.azimuth_deg[~is_front], torch.full_like(cameras.azimuth_deg[~is_front], 90.0))


def test_the_artists_cameras_keep_their_orientation():
    aside = ring_cameras(1, elevation_deg=10, fov_y_deg=50, distance=3, size=64).c2w
    turned = aside.clone()
    turned[:, :3, :3] = aside[:, :3, :3] @ torch.tensor([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]])
    one = torch.ones(1)
    cameras = _draw(CameraListRig(turned, one * 50, one, one * 0), views=4, are_orthogonal=True)
    torch.testing.assert_close(cameras.c2w[0], turned[0])
    azimuth_deg = torch.remainder(cameras.azimuth_deg + 1, 360) - 1
    torch.testing.assert_close(azimuth_deg, torch.tensor([0.0, 90.0, 180.0, 270.0]), atol=1e-3, rtol=0)
    # In its own frame, a turned camera sees the object's centre where the first one does.
    centres = cameras.viewmats[:, :3, 3]
    torch.testing.assert_close(centres, centres[:1].expand(4, 3), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("azimuth", "is_inside"), [(0, True), (-30, True), (30, False), (359, True), (180, False)])
def test_a_sector_counts_whole_turns_as_equal(azimuth, is_inside):
    assert are_in_sector(torch.tensor([float(azimuth)]), (-30.0, 30.0)).tolist() == [is_inside]
