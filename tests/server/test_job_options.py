# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What options mean, and which contradict each other."""

import json
from pathlib import Path

import pytest

from limbeck_protocol.errors import JobError
from limbeck_protocol.transforms import cameras_from_transforms
from limbeck_server.commands.job_options import choose_format

ORBIT = [[1, 0, 0, 0], [0, 0, -1, -3], [0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("given", "name", "chosen"),
    [
        (None, "a.glb", "glb"),
        (None, "a.PLY", "ply"),
        (None, "a", "glb"),
        ("ply", "a.ply", "ply"),
        ("splats", "a.ply", "splats"),
        ("obj", "a", "obj"),
        ("obj", "a.bin", "obj"),
    ],
)
def test_the_format_is_the_one_given_else_the_suffixs(given, name, chosen):
    assert choose_format(given, Path(name)) == chosen


@pytest.mark.parametrize(("given", "name"), [("ply", "a.glb"), ("glb", "a.obj"), ("splats", "a.glb"), (None, "a.fbx")])
def test_a_suffix_of_another_format_is_refused(given, name):
    with pytest.raises(JobError, match="ends in") as caught:
        choose_format(given, Path(name))
    assert caught.value.code == "E_FORMAT"


@pytest.mark.parametrize("angle", [0, -1, 3.2, 7, float("nan")])
def test_an_angle_of_view_that_no_camera_has_is_refused(angle):
    document = {"w": 64, "h": 64, "camera_angle_x": angle, "frames": [{"transform_matrix": ORBIT}]}
    with pytest.raises(JobError, match="camera") as caught:
        cameras_from_transforms(json.dumps(document).encode(), "rig.json")
    assert caught.value.code == "E_SCHEMA"
