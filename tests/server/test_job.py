# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The job description: what is accepted, what is refused and how it is named."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from limbeck.recipes import DEFAULT_RECIPE
from limbeck_protocol.errors import JobError
from limbeck_protocol.job import (
    Blob,
    Init,
    JobSpec,
    Reference,
    blob_of,
    job_blobs,
    job_from_dict,
    job_to_dict,
    job_to_json,
    spec_hash,
)
from limbeck_protocol.rig import Camera, CameraRig, Orbit
from server.strategies import jobs, values

IDENTITY = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 2.0), (0.0, 0.0, 0.0, 1.0))
K = ((100.0, 0.0, 64.0), (0.0, 100.0, 64.0), (0.0, 0.0, 1.0))
SHA = "0" * 64


@given(jobs)
def test_reading_inverts_writing(job: JobSpec) -> None:
    assert job_from_dict(job_to_dict(job)) == job
    assert job_from_dict(json.loads(job_to_json(job))) == job
    assert spec_hash(job_from_dict(json.loads(job_to_json(job)))) == spec_hash(job)


@given(values)
def test_arbitrary_json_raises_only_job_errors(plain: Any) -> None:
    for candidate in (plain, {"prompt": plain}, {"prompt": "a", "rig": plain, "references": [plain]}):
        with suppress(JobError):
            job_from_dict(candidate)


def test_the_default_recipe_is_the_cores() -> None:
    assert JobSpec("a penguin").recipe == DEFAULT_RECIPE


def test_the_hash_is_stable() -> None:
    job = JobSpec("a blue penguin", recipe="dreamfusion", seed=7)
    assert spec_hash(job) == "02591265876d4ce78a67cf6d5e7acb5d79cdc2b575ee2893c264530ce5271859"


def test_the_hash_does_not_tell_one_from_one_point_zero() -> None:
    whole = Reference(Blob(SHA, 1), weight=1)
    assert spec_hash(JobSpec("a", references=(whole,))) == spec_hash(
        JobSpec("a", references=(replace(whole, weight=1.0),))
    )


def test_unknown_fields_are_ignored() -> None:
    assert job_from_dict({"prompt": "a penguin", "colour_of_the_sky": "blue"}) == JobSpec("a penguin")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"prompt": ""}, "E_PROMPT_EMPTY", "prompt"),
        ({"prompt": " \n"}, "E_PROMPT_EMPTY", "prompt"),
        ({"prompt": "a" * 1001}, "E_PROMPT_TOO_LONG", "prompt"),
        ({"negative_prompt": "a" * 1001}, "E_PROMPT_TOO_LONG", "negative_prompt"),
        ({"prompt": "\ud800"}, "E_SCHEMA", "prompt"),
        ({"prompt": "a\0"}, "E_SCHEMA", "prompt"),
        ({"recipe": "ok\n"}, "E_SCHEMA", "recipe"),
        ({"recipe": "../x"}, "E_SCHEMA", "recipe"),
        ({"overrides": {"a b": 1}}, "E_SCHEMA", "overrides"),
        ({"overrides": {"a\n": 1}}, "E_SCHEMA", "overrides"),
        ({"prior": "sd-1.5+../models"}, "E_SCHEMA", "prior"),
        ({"prior": "../models"}, "E_SCHEMA", "prior"),
        ({"prior": "sd15\n"}, "E_SCHEMA", "prior"),
        ({"seed": -1}, "E_SCHEMA", "seed"),
        ({"seed": 2**63}, "E_SCHEMA", "seed"),
        ({"steps": 0}, "E_SCHEMA", "steps"),
        ({"steps": 100_001}, "E_SCHEMA", "steps"),
        ({"faces": 99}, "E_SCHEMA", "faces"),
        ({"faces": 2_000_001}, "E_SCHEMA", "faces"),
        ({"texture_size": 1000}, "E_SCHEMA", "texture_size"),
        ({"texture_size": 8}, "E_SCHEMA", "texture_size"),
        ({"texture_size": 16384}, "E_SCHEMA", "texture_size"),
        ({"format": "fbx"}, "E_SCHEMA", "format"),
        ({"device": "abacus"}, "E_SCHEMA", "device"),
        ({"lock_geometry": True}, "E_SCHEMA", "lock_geometry"),
    ],
)
def test_values_out_of_range_are_refused(changes: dict, code: str, field: str) -> None:
    with pytest.raises(JobError) as caught:
        JobSpec(**({"prompt": "a penguin"} | changes))
    assert (caught.value.code, caught.value.field) == (code, field)


@pytest.mark.parametrize(
    ("plain", "field"),
    [
        ({}, "prompt"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": "a", "seed": 1.5}, "seed"),
        ({"prompt": "a", "seed": True}, "seed"),
        ({"prompt": "a", "seed": "1"}, "seed"),
        ({"prompt": "a", "lock_geometry": 1}, "lock_geometry"),
        ({"prompt": "a", "overrides": []}, "overrides"),
        ({"prompt": "a", "references": [{}]}, "references.0.image"),
        (
            {"prompt": "a", "references": [{"image": {"sha256": SHA, "size_bytes": "1"}}]},
            "references.0.image.size_bytes",
        ),
        ({"prompt": "a", "rig": {"orbit": {"fov_y_deg": [1]}}}, "rig.orbit.fov_y_deg"),
    ],
)
def test_wrong_types_are_refused_by_the_name_of_the_field(plain: dict, field: str) -> None:
    with pytest.raises(JobError) as caught:
        job_from_dict(plain)
    assert (caught.value.code, caught.value.field) == ("E_SCHEMA", field)


@pytest.mark.parametrize(
    "changes",
    [
        {"c2w": tuple(tuple(2 * x for x in row) for row in IDENTITY)},
        {"c2w": ((-1.0, 0.0, 0.0, 0.0), *IDENTITY[1:])},
        {"c2w": ((float("nan"), 0.0, 0.0, 0.0), *IDENTITY[1:])},
        {"c2w": (*IDENTITY[:3], (0.0, 0.0, 1.0, 1.0))},
        {"K": ((0.0, 0.0, 64.0), *K[1:])},
        {"K": (*K[:2], (0.0, 0.0, 2.0))},
        {"width": 0},
        {"weight": 0.0},
        {"jitter_deg": 181.0},
    ],
)
def test_impossible_cameras_are_refused(changes: dict) -> None:
    Camera(IDENTITY, K, 128, 128)
    with pytest.raises(JobError):
        Camera(**({"c2w": IDENTITY, "K": K, "width": 128, "height": 128} | changes))


def test_impossible_rigs_are_refused() -> None:
    camera = Camera(IDENTITY, K, 128, 128)
    for arguments in ({}, {"orbit": Orbit(), "cameras": (camera,)}, {"orbit": Orbit(), "radius": 0.0}):
        with pytest.raises(JobError):
            CameraRig(**arguments)
    for bounds in ((2.0, 1.0), (float("nan"), 1.0), (0.0, 500.0)):
        with pytest.raises(JobError):
            Orbit(elevation_deg=bounds)


def test_references_and_inits_say_what_they_need() -> None:
    with pytest.raises(JobError, match="a camera for a photometric reference"):
        Reference(Blob(SHA, 1), use="photometric")
    with pytest.raises(JobError, match="a file for mesh"):
        Init("mesh")
    with pytest.raises(JobError, match="no file for sphere"):
        Init("sphere", Blob(SHA, 1))
    for blob in ({"sha256": SHA + "\n"}, {"sha256": "../" + SHA[3:]}, {"size_bytes": 0}, {"suffix": "/x"}):
        with pytest.raises(JobError):
            Blob(**({"sha256": SHA, "size_bytes": 1} | blob))


def test_blobs_are_named_by_their_content_and_listed_once() -> None:
    image = blob_of(b"content", ".PNG")
    assert (image.size_bytes, image.suffix, image.data) == (7, ".png", b"content")
    job = JobSpec("a", references=(Reference(image), Reference(image)), init=Init("mesh", blob_of(b"mesh", ".glb")))
    assert [blob.data for blob in job_blobs(job)] == [b"content", b"mesh"]
    assert b"content" not in job_to_json(job)


def test_a_recipe_object_lends_its_name() -> None:
    assert JobSpec("a", recipe={"name": "mine"}).recipe_name == "mine"
    assert JobSpec("a", recipe={}).recipe_name == "custom"


@pytest.mark.parametrize(
    "prior", ["sd-1.5", "DeepFloyd/IF-I-XL-v1.0", "sd-1.5+ip-adapter-plus-sd15", "Owner/Name+mvdream"]
)
def test_a_prior_is_an_alias_or_an_id_with_others_for_its_roles(prior: str) -> None:
    assert job_from_dict({"prompt": "a mug", "prior": prior}).prior == prior
