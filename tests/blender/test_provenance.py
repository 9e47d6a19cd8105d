# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where an asset came from, and files that are none, without Blender."""

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blender.addon import module
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh
from limbeck_protocol.job import JobSpec, Reference, blob_of
from limbeck_protocol.overrides import parse_overrides

provenance = module("provenance")
glb_check = module("glb_check")
job = module("job")
ORIGIN = module("placement").at((0.0, 0.0, 0.0))
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
OVERRIDES = {"guidance_scale": 15, "noise": "consistent", "a.b": [1, "x y"]}


def followed(**fields: Any) -> Any:
    spec = JobSpec("a bird", **fields)
    return job.FollowedJob(spec.prompt, spec.seed, spec.recipe_name, ORIGIN, spec, id="JOB", asked_faces=spec.faces)


def test_job_that_was_sent_from_here_is_known_whole() -> None:
    picture = Reference(blob_of(b"x", ".png"))
    sent = followed(negative_prompt="a fish", seed=7, steps=60, overrides=OVERRIDES, references=(picture,))
    made = provenance.of_job(sent, NOON)
    assert made.to_json() == provenance.from_json(made.to_json()).to_json()
    assert (made.prompt, made.negative_prompt, made.seed, made.steps) == ("a bird", "a fish", 7, 60)
    assert (made.references, made.job, made.made_at) == (1, "JOB", "2026-11-21T12:00:00+00:00")
    assert parse_overrides(made.overrides) == OVERRIDES, "they can be filled in again"


def test_own_number_of_steps_is_zero() -> None:
    assert provenance.of_job(followed()).steps == 0


def test_other_priors_licence_is_pointed_at() -> None:
    assert "embedded priors" in provenance.of_job(followed()).licence
    assert "stabilityai/sd" in provenance.of_job(followed(prior="stabilityai/sd")).licence


def test_custom_properties_tell_it_again() -> None:
    made = provenance.of_job(followed(seed=7), NOON)
    assert provenance.from_properties(made.properties()) == made
    assert all(type(value) in (str, int) for value in made.properties().values()), "Blender keeps these as they are"


def test_edited_custom_properties_count_where_they_are_right() -> None:
    made = provenance.from_properties({"prompt": "a bird", "seed": "seven", "recipe": 3, "steps": 40})
    assert made == provenance.Provenance("a bird", steps=40)
    assert provenance.from_properties({"prompt": 3}) is None
    assert provenance.from_properties({}) is None


def test_live_mesh_is_no_asset_yet() -> None:
    assert provenance.is_made_here({"prompt": "a bird"})
    assert not provenance.is_made_here({"prompt": "a bird", "limbeck_job": "JOB"})


def test_file_of_the_asset_completes_what_a_loaded_scene_knows() -> None:
    found = replace(followed(), spec=None)
    metadata = {
        "prompt": "other",
        "negative_prompt": "a fish",
        "seed": 9,
        "texture_size": 512,
        "prior": "embedded",
        "recipe": {"name": "gsd"},
        "references": [{}, {}],
        "versions": {"limbeck": "0.1.0"},
        "weights_licence": "Apache-2.0",
    }
    made = provenance.completed(provenance.of_job(found, NOON), metadata)
    assert (made.prompt, made.negative_prompt, made.seed, made.texture_size) == ("a bird", "a fish", 9, 512)
    assert (made.recipe, made.references, made.server_version) == ("gsd", 2, "0.1.0")
    assert made.licence.endswith("Apache-2.0")


@pytest.mark.parametrize("metadata", [{}, {"recipe": 3, "versions": [], "seed": "x", "references": 1, "prior": None}])
def test_file_that_says_nothing_right_changes_nothing(metadata: dict[str, Any]) -> None:
    known = provenance.of_job(followed(seed=7), NOON)
    assert provenance.completed(known, metadata) == known


def triangle(file: Path) -> Path:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 1]], np.float32)
    write_glb(
        file,
        Mesh(vertices, np.array([[0, 1, 2]], np.int32), np.full((3, 4), 255, np.uint8)),
        metadata={"prompt": "a triangle"},
    )
    return file


def test_own_asset_passes_and_tells_its_metadata(tmp_path: Path) -> None:
    assert glb_check.check_glb(triangle(tmp_path / "a.glb")) == {"prompt": "a triangle"}


def glb_of(document: object, kind: bytes = b"JSON", version: int = 2) -> bytes:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack("<4sII", b"glTF", version, 20 + len(text)) + struct.pack("<I4s", len(text), kind) + text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is no GLB"),
        (b"<html>not found</html> and more of it", "is no GLB"),
        (b"glTF", "is no GLB"),
        (glb_of({"meshes": []}, version=1), "version 1, expected 2"),
        (glb_of({"meshes": [{}]})[:-3], "is damaged"),
        (glb_of({"meshes": [{}]}) + b"more", "is damaged"),
        (glb_of({"meshes": [{}]}, kind=b"BIN\0"), "is damaged"),
        (glb_of(b"{" * 20), "is damaged"),
        (glb_of([1]), "is no object"),
        (glb_of({}), "holds 0 meshes, expected one"),
        (glb_of({"meshes": "x"}), "holds 0 meshes, expected one"),
        (glb_of({"meshes": [{}, {}]}), "holds 2 meshes, expected one"),
    ],
)
def test_what_is_no_asset_is_refused_with_a_remedy(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "a.glb"
    file.write_bytes(content)
    with pytest.raises(glb_check.AssetError, match=says) as refusal:
        glb_check.check_glb(file)
    assert refusal.value.remedy


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(glb_check.AssetError, match="There is no file"):
        glb_check.check_glb(tmp_path / "gone.glb")
    with pytest.raises(glb_check.AssetError, match="cannot be read"):
        glb_check.check_glb(tmp_path)


@pytest.mark.parametrize("document", [{"meshes": [{}]}, {"meshes": [{}], "asset": {"extras": {"limbeck": 3}}}])
def test_file_of_another_program_has_no_metadata(document: object, tmp_path: Path) -> None:
    file = tmp_path / "a.glb"
    file.write_bytes(glb_of(document))
    assert glb_check.check_glb(file) == {}
