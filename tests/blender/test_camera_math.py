# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Blender's cameras as pinhole cameras, presets and their lines; scenario_rig compares with Blender."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from blender.addon import module
from limbeck.cameras import orbit_cameras
from limbeck.errors import LimbeckError
from limbeck.framing import Reference
from limbeck.rigs import Placement
from limbeck_protocol.rig import Camera
from limbeck_protocol.transforms import cameras_from_transforms, transforms_of
from limbeck_server.plan_references import camera_in_run

camera_math = module("camera_math")
placement = module("placement")
refusal = module("refusal")
rig_shapes = module("rig_shapes")

ANGLES = st.floats(-80, 80)


def similarity(yaw_deg: float, scale: float, shift: tuple[float, float, float]) -> np.ndarray:
    turn = np.radians(yaw_deg)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    matrix[:3, :3] *= scale
    matrix[:3, 3] = shift
    return matrix


def projected(c2w: np.ndarray, K: np.ndarray, point: np.ndarray) -> np.ndarray:
    seen = c2w[:3, :3].T @ (point - c2w[:3, 3]) * (1, -1, -1)
    return (K @ seen)[:2] / seen[2]


@given(ANGLES, ANGLES, st.floats(0.01, 100))
def test_a_point_of_the_asset_is_seen_alike_in_the_world_and_in_its_frame(
    yaw: float, around: float, scale: float
) -> None:
    to_world = similarity(yaw, scale, (3.0, -2.0, 7.0))
    inside = rig_shapes.look_at_c2w(20.0, around, 3.0)
    outside = camera_math.out_of_frame(inside, to_world)
    K = rig_shapes.square_K(40.0)
    point = np.array([0.3, -0.2, 0.4])
    in_world = to_world[:3, :3] @ point + to_world[:3, 3]
    assert np.allclose(projected(inside, K, point), projected(outside, K, in_world), atol=1e-6)
    back = camera_math.into_frame(outside, to_world)
    assert np.allclose(back, inside, atol=1e-9)
    assert np.allclose(back[:3, :3].T @ back[:3, :3], np.eye(3), atol=1e-12), "still rigid"


@given(ANGLES, st.floats(-180, 180), st.floats(1.1, 10), st.floats(5, 120))
def test_presets_stand_where_the_core_s_orbit_does(
    elevation: float, azimuth: float, distance: float, fov: float
) -> None:
    core = orbit_cameras(*(torch.tensor([it]) for it in (elevation, azimuth, distance, fov)), width=512, height=512)
    assert np.allclose(rig_shapes.look_at_c2w(elevation, azimuth, distance), core.c2w[0].numpy(), atol=1e-4)
    assert np.allclose(rig_shapes.square_K(fov), core.Ks[0].numpy(), rtol=1e-4)


def test_a_camera_straight_above_has_an_up() -> None:
    c2w = rig_shapes.look_at_c2w(90.0, 0.0, 2.0)
    assert np.allclose(c2w[:3, :3].T @ c2w[:3, :3], np.eye(3))
    assert np.allclose(c2w[:3, 3], (0, 0, 2))


def preset(**changes: object) -> object:
    numbers = {"count": 4, "rings": 2, "elevation_deg": (0.0, 30.0), "azimuth_deg": (-180.0, 180.0)}
    return rig_shapes.Preset(**{**numbers, "distance": 3.0, "fov_y_deg": 40.0, **changes})


def test_whole_rings_do_not_double_their_first_camera() -> None:
    assert rig_shapes.stations(preset(rings=1)) == [(15.0, -180.0), (15.0, -90.0), (15.0, 0.0), (15.0, 90.0)]


def test_an_arc_has_a_camera_at_each_end() -> None:
    found = rig_shapes.stations(preset(count=3, azimuth_deg=(-60.0, 60.0)))
    assert found == [(e, a) for e in (0.0, 30.0) for a in (-60.0, 0.0, 60.0)]
    assert rig_shapes.stations(preset(count=1, rings=1, azimuth_deg=(-60.0, 60.0))) == [(15.0, 0.0)]


def test_ring_lines_lie_on_the_sphere_and_join() -> None:
    lines = rig_shapes.ring_lines(preset(rings=1, elevation_deg=(0.0, 0.0)))
    assert np.allclose(np.linalg.norm(lines, axis=-1), 3.0)
    assert np.allclose(lines[:-1, 1], lines[1:, 0])
    assert np.allclose(lines[0, 0], lines[-1, 1]), "a whole ring closes"


def test_arcs_end_where_their_range_does() -> None:
    lines = rig_shapes.ring_lines(preset(rings=1, elevation_deg=(0.0, 0.0), azimuth_deg=(0.0, 90.0)))
    assert np.allclose(lines[0, 0], (0, -3, 0), atol=1e-9)
    assert np.allclose(lines[-1, 1], (3, 0, 0), atol=1e-9)


def test_frusta_start_at_their_camera_and_open_towards_the_asset() -> None:
    c2w = rig_shapes.look_at_c2w(0.0, 0.0, 3.0)
    lines = rig_shapes.frustum_lines([c2w, c2w], [(0.5, 0.25)] * 2)
    assert lines.shape == (20, 2, 3)
    assert np.allclose(lines[:4, 0], (0, -3, 0))
    assert np.allclose(lines[:4, 1, 1], -3 + rig_shapes.FRUSTUM_DEPTH)
    assert np.abs(lines[:4, 1, 0]).max() == pytest.approx(0.5 * rig_shapes.FRUSTUM_DEPTH)
    assert rig_shapes.frustum_lines([], []).shape == (0, 2, 3)


def test_moved_lines_follow_the_placement() -> None:
    lines = np.array([[(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]])
    moved = rig_shapes.moved(lines, similarity(90.0, 2.0, (0.0, 0.0, 5.0)))
    assert moved.dtype == np.float32
    assert np.allclose(moved, [[(0, 2, 5), (0, 0, 7)]], atol=1e-6)


@pytest.mark.parametrize(
    ("c2w", "word"),
    [
        (rig_shapes.look_at_c2w(10.0, 30.0, 3.0), ""),
        (rig_shapes.look_at_c2w(10.0, 30.0, 0.9), "inside"),
        (rig_shapes.look_at_c2w(10.0, 30.0, 3.0) @ np.diag([-1.0, 1.0, -1.0, 1.0]), "does not see"),
        (similarity(0.0, 1.0, (0.0, 0.0, 9.0)) @ rig_shapes.look_at_c2w(0.0, 0.0, 3.0), "does not see"),
        (similarity(0.0, 1.0, (0.0, 0.0, 2.0)) @ rig_shapes.look_at_c2w(0.0, 0.0, 3.0), ""),
    ],
)
def test_cameras_that_cannot_see_the_asset_are_told_apart(c2w: np.ndarray, word: str) -> None:
    reason = camera_math.blindness(c2w, rig_shapes.square_K(40.0), 512, 512)
    assert (word in reason) if word else not reason


@given(st.floats(0, 360), st.floats(0.5, 30), st.floats(-3, 3), st.floats(5, 90))
def test_pictures_are_refused_where_the_server_would(azimuth: float, distance: float, aside: float, fov: float) -> None:
    c2w = similarity(0.0, 1.0, (0.0, 0.0, aside)) @ rig_shapes.look_at_c2w(5.0, azimuth, distance)
    K = rig_shapes.square_K(fov)
    camera = Camera(placement.rows(c2w), tuple(map(tuple, K.tolist())), 512, 512)
    mine = camera_math.misfit(c2w, K, 512, 512)
    with pytest.raises(LimbeckError) if mine else nullcontext():
        Reference(np.full((64, 64, 4), 255, np.uint8), camera_in_run(camera, Placement()))


@pytest.mark.parametrize("scale", [(2.0, 2.0, 2.0), (0.5, 3.0, 1.0)])
def test_scale_is_taken_out_of_a_camera(scale: tuple[float, float, float]) -> None:
    wanted = rig_shapes.look_at_c2w(20.0, 40.0, 5.0)
    assert np.allclose(camera_math.rigid_c2w(wanted @ np.diag([*scale, 1.0]), "Camera"), wanted)


@pytest.mark.parametrize(
    ("matrix", "word"),
    [
        (np.diag([1.0, 1.0, -1.0, 1.0]), "mirrored"),
        (np.array([(1, 0.2, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]), "sheared"),
        (np.diag([1.0, 0.0, 1.0, 1.0]), "zero"),
        (np.diag([1.0, np.nan, 1.0, 1.0]), "finite"),
    ],
)
def test_cameras_that_are_no_pinhole_cameras_are_refused_by_name(matrix: np.ndarray, word: str) -> None:
    with pytest.raises(refusal.DescriptionError) as caught:
        camera_math.rigid_c2w(matrix, "Shot 7")
    assert word in caught.value.message
    assert "Shot 7" in caught.value.message
    assert caught.value.remedy


def test_a_projection_matrix_gives_the_pixels_that_it_projects_to() -> None:
    P = np.array([(1.5, 0, 0.2, 0), (0, 2.0, -0.1, 0), (0, 0, -1.002, -0.2), (0, 0, -1, 0)])
    K = camera_math.intrinsics_of_projection(P, 640, 480)
    point = np.array([0.4, -0.3, -2.5, 1.0])
    clip = P @ point
    expected = ((clip[0] / clip[3] + 1) / 2 * 640, (1 - clip[1] / clip[3]) / 2 * 480)
    assert np.allclose(projected(np.eye(4), K, point[:3]), expected)


def test_an_orthographic_view_is_refused() -> None:
    with pytest.raises(refusal.DescriptionError, match="orthographic"):
        camera_math.intrinsics_of_projection(np.diag([1.0, 1.0, -0.1, 1.0]), 640, 480)


@given(st.floats(100, 2000), st.floats(-100, 100), st.floats(-100, 100))
def test_optics_of_a_pinhole_camera_see_what_it_sees(focal: float, x: float, y: float) -> None:
    K = np.array([(focal, 0, 320 + x), (0, focal, 240 + y), (0, 0, 1)])
    found = camera_math.intrinsics(camera_math.lens_of(K, 640, 480), camera_math.Frame(640, 480))
    assert np.allclose(found, K)


def test_written_cameras_are_read_again_number_for_number() -> None:
    c2w = placement.rows(rig_shapes.look_at_c2w(12.3, 45.6, 3.21))
    K = ((700.5, 0.0, 320.25), (0.0, 699.5, 250.75), (0.0, 0.0, 1.0))
    cameras = (Camera(c2w, K, 640, 480, 2.5, 7.0), Camera(c2w, K, 640, 480))
    assert cameras_from_transforms(transforms_of(cameras), "it") == cameras
