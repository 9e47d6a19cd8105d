# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What ``--image REF`` may name."""

import json
from pathlib import Path
from typing import Any

import pytest

from limbeck.errors import LimbeckError
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.limits import MAX_BLOB_BYTES, MAX_REFERENCES
from limbeck_server.commands.job_options import read_references
from limbeck_server.reference_files import references_from
from oracles.drawings import disc, encoded

PICTURE = encoded(disc(96, 64))
FRONT = [[1, 0, 0, 0], [0, 0, -1, -3], [0, 1, 0, 0], [0, 0, 0, 1]]
K = [[100, 0, 48], [0, 100, 32], [0, 0, 1]]
CAMERA = {"c2w": FRONT, "K": K, "width": 96, "height": 64}
FRAME = {"file_path": "front.png", "transform_matrix": FRONT, "camera_angle_x": 0.8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "front.png").write_bytes(PICTURE)
    return tmp_path


def written(folder: Path, plain: Any) -> str:
    (folder / "ref.json").write_text(json.dumps(plain))
    return str(folder / "ref.json")


def code_of(text: str) -> str:
    with pytest.raises((LimbeckError, ProtocolError)) as refused:
        references_from(text)
    assert refused.value.remedy
    return refused.value.code


def test_a_picture_is_an_image_prompt(folder: Path) -> None:
    (reference,) = references_from(str(folder / "front.png"))
    assert (reference.image.data, reference.image.suffix) == (PICTURE, ".png")
    assert (reference.camera, reference.weight, reference.use) == (None, 1.0, "prompt")


def test_a_json_file_gives_one_picture_a_camera(folder: Path) -> None:
    (reference,) = references_from(written(folder, {"image": "front.png", "camera": CAMERA, "weight": 2}))
    assert (reference.camera.width, reference.weight, reference.use) == (96, 2.0, "both")
    (prompt,) = references_from(written(folder, {"image": "front.png", "use": "prompt"}))
    assert prompt.camera is None


def test_every_frame_of_a_transforms_json_is_a_posed_reference(folder: Path) -> None:
    frames = [FRAME, {**FRAME, "file_path": "./front", "weight": 3.0, "use": "photometric"}]
    first, second = references_from(written(folder, {"frames": frames}))
    assert (first.weight, first.use, second.weight, second.use) == (1.0, "both", 3.0, "photometric")
    assert (first.camera.width, first.camera.height) == (96, 64), "of the picture, where the file does not say"
    assert second.image == first.image


def test_a_number_sign_names_one_frame(folder: Path) -> None:
    path = written(folder, {"frames": [FRAME, {**FRAME, "weight": 3.0}]})
    assert [reference.weight for reference in references_from(f"{path}#1")] == [3.0]
    assert code_of(f"{path}#2") == "E_SCHEMA"


def test_a_file_whose_name_has_a_number_sign_is_a_file(folder: Path) -> None:
    (folder / "a#1.png").write_bytes(PICTURE)
    assert len(references_from(str(folder / "a#1.png"))) == 1


def test_the_content_and_not_the_suffix_says_what_a_picture_is(folder: Path) -> None:
    (folder / "front.superlongsuffix").write_bytes(PICTURE)
    (reference,) = references_from(str(folder / "front.superlongsuffix"))
    assert (reference.image.data, reference.image.suffix) == (PICTURE, "")


def test_options_are_taken_in_their_order(folder: Path) -> None:
    path = written(folder, {"image": "front.png", "weight": 2})
    assert [one.weight for one in read_references([str(folder / "front.png"), path])] == [1.0, 2.0]


SHEARED = [[1, 0.5, 0, 0], [0, 0, -1, -3], [0, 1, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("plain", "code"),
    [
        ([], "E_SCHEMA"),
        ({}, "E_SCHEMA"),
        ({"image": 3}, "E_SCHEMA"),
        ({"image": "a\0b"}, "E_SCHEMA"),
        ({"image": "missing.png"}, "E_FILE"),
        ({"image": "."}, "E_FILE"),
        ({"image": "ref.json"}, "E_IMAGE"),
        ({"image": "front.png", "camera": 7}, "E_SCHEMA"),
        ({"image": "front.png", "camera": {**CAMERA, "c2w": SHEARED}}, "E_SCHEMA"),
        ({"image": "front.png", "camera": {**CAMERA, "K": [[0, 0, 0]] * 3}}, "E_SCHEMA"),
        ({"image": "front.png", "use": "both"}, "E_SCHEMA"),
        ({"image": "front.png", "use": "mine"}, "E_SCHEMA"),
        ({"image": "front.png", "use": []}, "E_SCHEMA"),
        ({"image": "front.png", "weight": -1}, "E_SCHEMA"),
        ({"image": "front.png", "weight": 10**400}, "E_SCHEMA"),
        ({"image": "front.png", "weight": float("nan")}, "E_SCHEMA"),
        ({"image": "front.png", "weight": "heavy"}, "E_SCHEMA"),
        ({"frames": []}, "E_SCHEMA"),
        ({"frames": {}}, "E_SCHEMA"),
        ({"frames": [7]}, "E_SCHEMA"),
        ({"frames": [{"transform_matrix": FRONT, "camera_angle_x": 1}]}, "E_SCHEMA"),
        ({"frames": [{**FRAME, "transform_matrix": SHEARED}]}, "E_SCHEMA"),
        ({"frames": [{**FRAME, "transform_matrix": None}]}, "E_SCHEMA"),
        ({"frames": [{**FRAME, "w": "wide"}]}, "E_SCHEMA"),
        ({"frames": [{**FRAME, "w": 1e400}]}, "E_SCHEMA"),
        ({"frames": [{**FRAME, "camera_angle_x": 0}]}, "E_SCHEMA"),
        ({"frames": [FRAME] * (MAX_REFERENCES + 1)}, "E_SCHEMA"),
    ],
)
def test_files_that_say_nothing_usable_are_refused(folder: Path, plain: Any, code: str) -> None:
    assert code_of(written(folder, plain)) == code


def test_files_that_cannot_be_read_are_refused(folder: Path) -> None:
    (folder / "huge.png").touch()
    with (folder / "huge.png").open("r+b") as file:
        file.truncate(MAX_BLOB_BYTES + 1)
    (folder / "cut.json").write_text('{"image": ')
    (folder / "deep.json").write_text("[" * 100_000)
    named = {"missing.png": "E_FILE", "huge.png": "E_TOO_LARGE", "cut.json": "E_SCHEMA", "deep.json": "E_SCHEMA"}
    assert {name: code_of(str(folder / name)) for name in named} == named
    assert code_of(str(folder)) == "E_FILE"
    assert code_of("a\0b.png") == "E_FILE"
    assert code_of("ref.json#" + 5000 * "9") == "E_FILE"
