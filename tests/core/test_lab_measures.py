# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The lab's measures: right on shapes whose figures are known, and not to be won by mush."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from skimage.measure import marching_cubes

from limbeck.assets.mesh import make_mesh
from limbeck.evaluation.loading import Judges
from limbeck.lab.geometry import compare_geometry, solid_cells
from limbeck.lab.looks import (
    Pictures,
    count_fronts,
    look_at,
    mesh_pictures,
    saturation,
    sharpness,
    toy_pictures,
    turning,
)
from limbeck.lab.statistics import clipped, difference_of, mean_of, share_of
from limbeck.playset.geometry import contains
from limbeck.playset.things import FRONTED, Thing, build

AZIMUTHS = np.arange(24) * 15.0


@pytest.fixture(scope="module")
def judges():
    return Judges.load()


def mesh_of(solids, turned_deg=0.0, scale=1.0):
    """The toy's own surface from its own insides, on a grid of 0.025, turned about the vertical and scaled."""
    axis = np.linspace(-1, 1, 81)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    inside = contains(solids, grid).reshape(81, 81, 81).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(inside, 0.5, spacing=(0.025,) * 3)
    angle = np.radians(turned_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return make_mesh((vertices - 1) @ turn.T * scale, faces[:, ::-1])


def test_the_true_shape_is_near_itself_however_it_is_turned_and_scaled():
    solids = build(Thing("duck", "yellow"))
    found = compare_geometry(mesh_of(solids, 90.0, 0.5), solids, points=2000)
    assert found.rotation_deg == 90.0
    assert found.iou > 0.9
    assert found.chamfer < 0.03  # two samples of 2,000 points on one surface are 0.02 apart


def test_another_toy_is_farther_away_than_the_same_one():
    solids = build(Thing("duck", "yellow"))
    same = compare_geometry(mesh_of(solids), solids, points=1000)
    other = compare_geometry(mesh_of(build(Thing("chair", "yellow"))), solids, points=1000)
    assert other.chamfer > 2 * same.chamfer
    assert other.iou < 0.5 < same.iou


def test_insides_have_the_volume_of_the_mesh():
    box = trimesh.creation.box((1.0, 1.0, 1.0))
    assert solid_cells(np.asarray(box.vertices), np.asarray(box.faces), 40).sum() == pytest.approx(20**3, rel=0.06)


def test_two_solids_that_overlap_are_one_inside():
    box = trimesh.creation.box((1.0, 1.0, 1.0))
    vertices, faces = np.asarray(box.vertices), np.asarray(box.faces)
    both = (np.concatenate([vertices, vertices]), np.concatenate([faces, faces + len(vertices)]))
    assert np.array_equal(solid_cells(*both, 20), solid_cells(vertices, faces, 20))


def probability(*front_views):
    found = np.zeros(24)
    found[list(front_views)] = 1.0
    return found


@pytest.mark.parametrize(
    ("views", "seen_deg", "fronts"),
    [
        ((22, 23, 0, 1, 2), AZIMUTHS, "one"),
        ((5, 6, 7, 8, 9), AZIMUTHS - 105, "one"),
        ((), AZIMUTHS, "none"),
        ((0,), AZIMUTHS, "none"),
        ((23, 0, 1), AZIMUTHS, "one"),
        ((22, 23, 0, 1, 2, 10, 11, 12, 13, 14), AZIMUTHS * 2, "several"),
        (range(24), AZIMUTHS * 0, "several"),
        (range(12), AZIMUTHS, "several"),
        ((22, 23, 0, 1, 2), AZIMUTHS * 0, "none"),
    ],
)
def test_fronts_are_arcs_of_front_views_whose_other_sides_turn(views, seen_deg, fronts):
    assert count_fronts(probability(*views), seen_deg) == fronts


def test_what_is_likely_but_nowhere_clear_is_no_front():
    assert count_fronts(probability(22, 23, 0, 1, 2) * 0.65, AZIMUTHS) == "none"


def test_sides_turn_with_the_camera_whatever_the_object_has_turned_by():
    assert turning(AZIMUTHS + 130) == pytest.approx(1.0)
    assert turning(AZIMUTHS * 0) == pytest.approx(0.0, abs=1e-9)
    assert turning(-AZIMUTHS) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("noun", ["penguin", "chair", "owl", "robot"])
def test_true_toys_succeed(noun, judges):
    thing = Thing(noun, "blue")
    looks = look_at(toy_pictures(thing), thing, judges)
    assert (looks.fronts, looks.success) == ("one", True)
    assert looks.turning > 0.9


def blobs():
    ball = trimesh.creation.icosphere(subdivisions=3)
    corners = np.asarray(ball.vertices)
    lumps = 1 + 0.2 * np.sin(7 * corners[:, :1]) * np.sin(6 * corners[:, 1:2]) + 0.1 * np.sin(9 * corners[:, 2:])
    return {"ball": corners, "egg": corners * [0.6, 0.6, 1.0], "lumps": corners * lumps}, np.asarray(ball.faces)


@pytest.mark.parametrize("shape", ["ball", "egg", "lumps"])
def test_mush_does_not_win(shape, judges):
    shapes, faces = blobs()
    pictures = mesh_pictures(make_mesh(shapes[shape], faces))
    found = {noun: look_at(pictures, Thing(noun, "white"), judges) for noun in FRONTED}
    assert [noun for noun, looks in found.items() if looks.success] == []


def test_a_blurred_picture_is_less_sharp_and_a_grey_one_has_no_saturation():
    drawn = toy_pictures(Thing("frog", "green"))
    blurred = Pictures((drawn.rgb + np.roll(drawn.rgb, 1, 1) + np.roll(drawn.rgb, 1, 2)) / 3, drawn.alpha)
    grey = Pictures(np.repeat(drawn.rgb.mean(-1, keepdims=True), 3, -1), drawn.alpha)
    assert sharpness(blurred) < 0.8 * sharpness(drawn)
    assert saturation(grey) == pytest.approx(0.0, abs=1e-6)
    assert saturation(drawn) > 0.2


def test_nothing_to_see_is_neither_sharp_nor_colourful():
    empty = Pictures(np.full((24, 8, 8, 3), 0.87, np.float32), np.zeros((24, 8, 8), np.float32))
    assert (sharpness(empty), saturation(empty)) == (0.0, 0.0)


def test_intervals_are_those_of_the_textbook():
    shares = share_of([True] * 8 + [False] * 2)
    assert (shares.low, shares.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))  # Wilson
    means = mean_of([1.0, 2.0, 3.0, 4.0])
    assert (means.mean, means.high - means.mean) == (2.5, pytest.approx(3.1824 * 1.29099 / 2, abs=1e-3))
    assert difference_of([3.0, 5.0], [1.0, 1.0]).mean == 3.0


def test_a_share_of_none_has_an_interval_and_values_alike_have_none():
    none = share_of([False] * 8)
    assert (none.low, none.high) == (0.0, pytest.approx(0.3244, abs=1e-4))
    assert clipped(mean_of([0.0, 1.0]), 0.0, 1.0) == replace(mean_of([0.0, 1.0]), low=0.0, high=1.0)
    assert (mean_of([2.0, 2.0]).low, mean_of([2.0]).high, mean_of([])) == (None, None, None)
