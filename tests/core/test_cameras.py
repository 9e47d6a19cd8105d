# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from limbeck.cameras import (
    angles_of,
    c2w_from_viewmats,
    distance_for,
    look_at_c2w,
    mvdream_camera,
    orbit_cameras,
    orbit_positions,
    ring_cameras,
    viewmats_from_c2w,
)

angles = st.tuples(
    st.floats(-80, 80, allow_nan=False), st.floats(-179, 179, allow_nan=False), st.floats(0.5, 10, allow_nan=False)
)


def _orbit(elevation_deg, azimuth_deg, distance, fov_y_deg=45.0, size=64):
    one = torch.ones(1)
    return orbit_cameras(
        one * elevation_deg, one * azimuth_deg, one * distance, one * fov_y_deg, width=size, height=size
    )


def test_azimuth_zero_looks_at_the_front_from_minus_y():
    position = _orbit(0.0, 0.0, 2.0).c2w[0, :3, 3]
    torch.testing.assert_close(position, torch.tensor([0.0, -2.0, 0.0]))


def test_azimuth_grows_counter_clockwise_seen_from_above():
    position = _orbit(0.0, 90.0, 2.0).c2w[0, :3, 3]
    torch.testing.assert_close(position, torch.tensor([2.0, 0.0, 0.0]), atol=1e-6, rtol=0)


def test_the_camera_looks_along_its_negative_z_axis():
    c2w = _orbit(20.0, 30.0, 2.0).c2w[0]
    forward = -c2w[:3, 2]
    torch.testing.assert_close(forward, torch.nn.functional.normalize(-c2w[:3, 3], dim=0))


@given(angles)
def test_viewmats_invert_c2w_up_to_the_axis_flip(where):
    c2w = _orbit(*where).c2w
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0]))
    torch.testing.assert_close(viewmats_from_c2w(c2w) @ c2w, flip[None], atol=1e-5, rtol=0)


@given(angles)
def test_c2w_from_viewmats_inverts_viewmats_from_c2w(where):
    c2w = _orbit(*where).c2w
    torch.testing.assert_close(c2w_from_viewmats(viewmats_from_c2w(c2w)), c2w, atol=1e-5, rtol=1e-5)


@given(angles)
def test_angles_of_inverts_the_orbit(where):
    elevation, azimuth = angles_of(_orbit(*where).c2w)
    assert elevation.item() == pytest.approx(where[0], abs=1e-2)
    assert azimuth.item() == pytest.approx(where[1], abs=1e-2)


@pytest.mark.parametrize("elevation_deg", [90.0, -90.0])
def test_a_camera_on_the_vertical_axis_is_still_a_rotation(elevation_deg):
    position = orbit_positions(torch.tensor([elevation_deg]), torch.zeros(1), torch.ones(1))
    rotation = look_at_c2w(position, torch.zeros(3))[0, :3, :3]
    torch.testing.assert_close(rotation @ rotation.T, torch.eye(3), atol=1e-6, rtol=0)
    assert torch.linalg.det(rotation).item() == pytest.approx(1.0, abs=1e-5)


def test_a_point_at_the_extent_falls_on_the_image_edge():
    cameras = ring_cameras(1, elevation_deg=0, fov_y_deg=45, distance=distance_for(45, 1.1), size=64)
    point = cameras.viewmats[0] @ torch.tensor([0.0, 0.0, 1.1, 1.0])
    pixel = cameras.Ks[0] @ point[:3] / point[2]
    torch.testing.assert_close(pixel[:2], torch.tensor([32.0, 0.0]), atol=1e-4, rtol=0)


def test_resized_cameras_see_the_same_rays():
    cameras = _orbit(10.0, 20.0, 3.0, size=64)
    point = cameras.viewmats[0, :3, :3] @ torch.tensor([0.2, 0.1, 0.3]) + cameras.viewmats[0, :3, 3]
    small, large = cameras.Ks[0] @ point, cameras.resized(128, 128).Ks[0] @ point
    torch.testing.assert_close(large[:2], 2 * small[:2])


def test_mvdream_sees_our_front_from_plus_x():
    condition = mvdream_camera(_orbit(0.0, 0.0, 5.0).c2w).reshape(4, 4)
    torch.testing.assert_close(condition[:3, 3], torch.tensor([1.0, 0.0, 0.0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(condition[:3, 1], torch.tensor([0.0, 0.0, 1.0]), atol=1e-6, rtol=0)
