# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A job description as the core's objects."""

import numpy as np
import pytest
import torch
import trimesh

from limbeck.config import recipe_to_plain
from limbeck.errors import LimbeckError
from limbeck.recipes import load_recipe
from limbeck.rigs import CameraListRig
from limbeck_protocol.errors import JobError
from limbeck_protocol.job import Blob, Init, JobSpec, Reference, blob_of
from limbeck_protocol.rig import Camera, CameraRig, Orbit
from limbeck_server.plan import plan
from oracles.drawings import disc, encoded

FRONT = ((1.0, 0.0, 0.0, 10.0), (0.0, 0.0, -1.0, -6.0), (0.0, 1.0, 0.0, 5.0), (0.0, 0.0, 0.0, 1.0))
K = ((100.0, 0.0, 64.0), (0.0, 100.0, 32.0), (0.0, 0.0, 1.0))


def test_names_steps_and_settings_reach_the_recipe():
    settings = plan(JobSpec("a cat", recipe="mvdream", steps=7, overrides={"guidance_scale": 3, "gaussians.count": 5}))
    assert (settings.recipe.name, settings.recipe.steps, settings.recipe.gaussians.count) == ("mvdream", 7, 5)
    assert settings.recipe.terms[0].guidance.scale(0.0) == 3


def test_a_whole_recipe_object_is_taken_as_it_is():
    recipe = load_recipe("dreamfusion")
    assert plan(JobSpec("a cat", recipe=recipe_to_plain(recipe))).recipe == recipe


def test_the_prompt_is_stripped():
    assert plan(JobSpec("  a cat ")).prompt == "a cat"


def test_an_orbit_replaces_only_the_ranges_it_names():
    rig = plan(
        JobSpec("a cat", rig=CameraRig(orbit=Orbit(elevation_deg=(5.0, 6.0), distance=(4.0, 6.0)), radius=2.0))
    ).rig
    assert (rig.elevation_deg, rig.fov_y_deg) == ((5.0, 6.0), None)
    assert rig.distance == (2.0, 3.0)


def test_cameras_are_moved_into_the_unit_ball():
    job = JobSpec(
        "a cat", rig=CameraRig(cameras=(Camera(FRONT, K, 128, 64, 2.0, 3.0),), centre=(10.0, 0.0, 5.0), radius=2.0)
    )
    settings = plan(job)
    assert isinstance(settings.rig, CameraListRig)
    torch.testing.assert_close(settings.rig.c2w[0, :3, 3], torch.tensor([0.0, -3.0, 0.0]))
    torch.testing.assert_close(settings.rig.fov_y_deg, torch.rad2deg(2 * torch.atan(torch.tensor([32 / 100]))))
    assert (settings.placement.centre, settings.placement.radius) == ((10.0, 0.0, 5.0), 2.0)


BOX = trimesh.creation.box(extents=(2.0, 4.0, 6.0)).apply_translation((1.0, 0.0, 0.0))
MESH = Init("mesh", blob_of(BOX.export(file_type="ply"), ".ply"))


def test_a_mesh_to_start_from_is_moved_into_the_unit_ball_and_the_asset_back():
    settings = plan(JobSpec("a cat", init=MESH))
    assert np.linalg.norm(settings.start.points, axis=1).max() == pytest.approx(0.98)
    assert settings.placement.centre == pytest.approx((1.0, 0.0, 0.0))
    assert settings.recipe.representation == "gaussians"


def test_with_a_rig_the_mesh_stays_where_the_rig_says():
    settings = plan(JobSpec("a cat", init=MESH, rig=CameraRig(orbit=Orbit(), centre=(0.0, 0.0, 0.0), radius=4.0)))
    np.testing.assert_allclose(settings.start.points.max(0), (0.5, 0.5, 0.75))
    assert settings.placement.radius == 4.0


def test_locked_geometry_is_the_mesh_representation():
    assert plan(JobSpec("a cat", init=MESH, lock_geometry=True)).recipe.representation == "mesh"


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"init": Init("mesh", blob_of(b"no mesh", ".obj"))}, "E_INIT"),
        ({"init": Init("points", blob_of(b"no points", ".npz"))}, "E_INIT"),
        ({"overrides": {"representation": "field"}, "format": "splats"}, "E_FORMAT"),
        ({"overrides": {"representation": "field", "regularisers.scale": 1}}, "E_RECIPE_INVALID"),
        ({"overrides": {"regularisers.orientation": 1}}, "E_RECIPE_INVALID"),
    ],
)
def test_what_this_version_cannot_do_is_refused_by_name(wish, code):
    with pytest.raises(LimbeckError) as refused:
        plan(JobSpec("a cat", **wish))
    assert refused.value.code == code


SQUARE = Camera(FRONT, K, 64, 64)
PICTURE = blob_of(encoded(disc(128, 64)), ".png")


def test_references_are_cut_out_and_their_cameras_moved_into_the_unit_ball():
    camera = Camera(FRONT, K, 128, 64)
    rig = CameraRig(orbit=Orbit(), centre=(10.0, 0.0, 5.0), radius=2.0)
    posed, weightless = Reference(PICTURE, camera, 3.0, "both"), Reference(PICTURE, weight=0.0)
    (reference,) = plan(JobSpec("a cat", recipe="mvdream", references=(posed, weightless), rig=rig)).references
    assert (reference.weight, reference.use, reference.rgba.shape) == (3.0, "both", (64, 128, 4))
    torch.testing.assert_close(reference.camera.c2w[0, :3, 3], torch.tensor([0.0, -3.0, 0.0]))
    assert reference.camera.azimuth_deg.item() == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("job", "code"),
    [
        (JobSpec("a cat", recipe="dreamfusion", references=(Reference(PICTURE),)), "E_RECIPE_INVALID"),
        (JobSpec("a cat", recipe="zero123", overrides={"drawn_image": "off"}), "E_RECIPE_INVALID"),
        (JobSpec("a cat", references=(Reference(blob_of(b"no picture")),)), "E_IMAGE"),
        (JobSpec("a cat", recipe="mvdream", references=(Reference(PICTURE, SQUARE),)), "E_IMAGE_CAMERA"),
    ],
)
def test_references_that_a_run_cannot_use_are_refused_while_planning(job, code):
    with pytest.raises(LimbeckError) as refused:
        plan(job)
    assert refused.value.code == code


def test_a_reference_without_its_content_is_refused():
    bare = Reference(Blob(PICTURE.sha256, PICTURE.size_bytes))
    with pytest.raises(JobError, match="with its content"):
        plan(JobSpec("a cat", references=(bare,)))
