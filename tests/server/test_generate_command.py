# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck generate`` and ``limbeck recipes``: what they write, what they refuse, and how."""

import json
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from PIL import Image

from limbeck_server.cli import main

QUICK = ("--steps", "3", "--faces", "1500", "--set", "gaussians.count=300", "--set", "references.sampler.steps=2")
ORBIT_CAMERA = [[1, 0, 0, 0], [0, 0, -1, -3], [0, 1, 0, 0], [0, 0, 0, 1]]


def _run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One short run through a real process, with everything that it can write."""
    folder = tmp_path_factory.mktemp("made")
    command = [
        sys.executable,
        "-m",
        "limbeck_server",
        "generate",
        "a red zebra",
        "-o",
        str(folder / "mug.glb"),
        "--json",
    ]
    pictures = [
        "-o",
        str(folder / "mug.glb"),
        "--contact-sheet",
        str(folder / "mug.png"),
        "--turntable",
        str(folder / "mug.gif"),
    ]
    run = subprocess.run([*command, *pictures, *QUICK], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    return folder, run


def test_generate_prints_exactly_one_json_object(made):
    folder, run = made
    summary = json.loads(run.stdout)
    assert run.stdout.count("\n") == 1
    assert set(summary) == {
        *("file", "format", "seconds", "first_preview_seconds", "steps", "faces", "vertices", "seed", "recipe"),
        *("prior", "peak_memory_mb"),
    }
    assert summary["file"] == str(folder / "mug.glb")
    assert summary["steps"] == 3
    assert 0 < summary["first_preview_seconds"] < summary["seconds"]


def test_the_asset_is_a_clean_mesh_within_the_budget(made):
    folder, run = made
    mesh = trimesh.load(folder / "mug.glb", force="mesh", process=False)
    assert len(mesh.faces) == json.loads(run.stdout)["faces"] <= 1500
    assert np.isfinite(mesh.vertices).all()
    assert mesh.is_winding_consistent
    assert mesh.volume > 0


def test_the_pictures_show_eight_sides_and_a_turn(made):
    folder, _ = made
    with Image.open(folder / "mug.png") as sheet, Image.open(folder / "mug.gif") as turntable:
        assert sheet.size == (1024, 512)
        assert turntable.n_frames == 36


def test_progress_goes_to_standard_error_in_plain_lines(made):
    _, run = made
    assert "optimising 3/3" in run.stderr
    assert "\x1b" not in run.stderr


def test_unknown_words_are_warned_of_with_the_known_ones(made):
    _, run = made
    assert "warning W_UNKNOWN_WORDS" in run.stderr
    assert "'zebra'" in run.stderr
    assert "penguin" in run.stderr


def test_nothing_is_left_beside_what_was_asked_for(made):
    folder, _ = made
    assert sorted(path.name for path in folder.iterdir()) == ["mug.gif", "mug.glb", "mug.png"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["   "], "E_PROMPT_EMPTY"),
        (["x" * 1001], "E_PROMPT_TOO_LONG"),
        (["a cat", "--recipe", "nope"], "E_RECIPE_UNKNOWN"),
        (["a cat", "--recipe", "missing.json"], "E_FILE"),
        (["a cat", "--set", "variate"], "E_SCHEMA"),
        (["a cat", "--set", "nothing=1"], "E_SETTING_UNKNOWN"),
        (["a cat", "--set", "variate=magic"], "E_RECIPE_INVALID"),
        (["a cat", "--steps", "0"], "E_SCHEMA"),
        (["a cat", "--steps", "many"], "E_USAGE"),
        (["a cat", "--faces", "3"], "E_SCHEMA"),
        (["a cat", "--faces", "0"], "E_SCHEMA"),
        (["a cat", "--faces", "10000000"], "E_SCHEMA"),
        (["a cat", "--texture-size", "1000"], "E_SCHEMA"),
        (["a cat", "--texture-size", "-1"], "E_SCHEMA"),
        (["a cat", "-o", "x.obj", "--contact-sheet", "x_base_color.png"], "E_USAGE"),
        (["a cat", "--seed", "-1"], "E_SCHEMA"),
        (["a cat", "--prior", "no-such-prior"], "E_MODEL_UNKNOWN"),
        (["a cat", "--image", "missing.png"], "E_FILE"),
        (["a cat", "--cameras", "missing.json"], "E_FILE"),
        (["a cat", "--turntable", "x.avi"], "E_FORMAT"),
        (["a cat", "--contact-sheet", "x.foo"], "E_FORMAT"),
        (["a cat", "-o", "x.stl"], "E_FORMAT"),
        (["a cat", "-o", "x.png", "--format", "glb", "--contact-sheet", "./x.png"], "E_USAGE"),
        (["a cat", "-o", "/dev/null", "--format", "glb"], "E_OUTPUT_UNWRITABLE"),
        (["a cat", "--set", "guidance_scale=1" + 400 * "0"], "E_RECIPE_INVALID"),
        (["a cat", "--set", "guidance_scale=" + 100_000 * "["], "E_RECIPE_INVALID"),
        (["a cat", "--nonsense"], "E_USAGE"),
        ([], "E_USAGE"),
    ],
)
def test_bad_input_is_one_json_error_and_status_2(capsys, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    status, out, _ = _run(capsys, "generate", "-o", "out.glb", *arguments, "--json")
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (2, code)
    assert error["message"]
    assert error["remedy"]
    assert list(tmp_path.iterdir()) == []


def test_without_json_an_error_is_one_line(capsys, tmp_path):
    status, out, err = _run(capsys, "generate", "", "-o", tmp_path / "x.glb")
    assert (status, out) == (2, "")
    assert err == "error E_PROMPT_EMPTY: expected a prompt, got nothing; say what to make\n"


@pytest.mark.parametrize("option", ["-o", "--contact-sheet"])
def test_an_unwritable_path_is_refused_before_any_work(capsys, tmp_path, option):
    outputs = {"-o": tmp_path / "x.glb", "--contact-sheet": tmp_path / "x.png"}
    outputs[option] = tmp_path / "missing" / outputs[option].name
    status, out, _ = _run(capsys, "generate", "a cat", "--json", *(part for pair in outputs.items() for part in pair))
    assert (status, json.loads(out)["error"]["code"]) == (2, "E_OUTPUT_UNWRITABLE")


@pytest.mark.parametrize("wish", ["--image", "--init"])
def test_what_this_version_cannot_use_is_refused_rather_than_ignored(capsys, tmp_path, wish):
    (tmp_path / "file.png").write_bytes(b"content")
    status, out, _ = _run(capsys, "generate", "a cat", "-o", tmp_path / "x.glb", wish, tmp_path / "file.png", "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "E_NOT_SUPPORTED")


def test_the_format_follows_the_suffix_and_cameras_and_recipe_files_are_read(capsys, tmp_path):
    recipe = json.loads(_run(capsys, "recipes", "show", "mvdream", "--json")[1])
    (tmp_path / "mine.json").write_text(json.dumps(recipe | {"name": "mine"}))
    transforms = {"camera_angle_x": 0.8, "frames": [{"transform_matrix": ORBIT_CAMERA, "jitter_deg": 20}]}
    (tmp_path / "transforms.json").write_text(json.dumps(transforms))
    quick = ("--steps", 2, "--set", "gaussians.count=200", "--faces", 500)
    files = ("--recipe", tmp_path / "mine.json", "--cameras", tmp_path / "transforms.json", "-o", tmp_path / "x.ply")
    status, out, _ = _run(capsys, "generate", "a red mug", *files, *quick, "--json")
    summary = json.loads(out)
    assert (status, summary["format"], summary["recipe"]) == (0, "ply", "mine")
    assert len(trimesh.load(tmp_path / "x.ply").faces) == summary["faces"]


def test_recipes_are_listed_as_the_contract_says(capsys):
    rows = json.loads(_run(capsys, "recipes", "--json")[1])
    assert {"limbeck", "dreamfusion", "mvdream"} <= {row["name"] for row in rows}
    assert all(set(row) == {"name", "paper", "summary"} for row in rows)


def test_show_prints_the_equation_and_every_setting(capsys):
    _, out, _ = _run(capsys, "recipes", "show", "limbeck")
    assert "eps(uncond) + 10 (eps(text, cameras) - eps(uncond))" in out
    assert "terms.1.guidance.scale = 10.0" in out
