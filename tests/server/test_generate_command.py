# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck generate`` and ``limbeck recipes``: what they write, what they refuse, and how."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from PIL import Image

import limbeck.assets.atomic
from limbeck_server.cli import main
from oracles.drawings import disc, encoded

QUICK = ("--steps", "3", "--faces", "1500", "--set", "gaussians.count=300", "--set", "references.sampler.steps=2")
K = [[100, 0, 48], [0, 100, 32], [0, 0, 1]]
LOOKING_AWAY = [[1, 0, 0, 0], [0, 0, -1, 3], [0, 1, 0, 0], [0, 0, 0, 1]]
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
        *("prior", "peak_memory_mb", "device", "optimising_seconds"),
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


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--faces", "0"), "E_SCHEMA", "100 to 2000000, got 0"),
        (("--faces", "10000000"), "E_SCHEMA", "100 to 2000000, got 10000000"),
        (("--texture-size", "16384"), "E_SCHEMA", "16 to 8192"),
        (("--normal-map", "--texture-size", "0"), "E_TEXTURE_SIZE", "expected a texture for texture.normal_map"),
        (("--set", "gaussians.learning_rates.means=50"), "E_RECIPE_INVALID", "from 0 to 1, got 50 for means"),
        (("--init", "EMPTY.glb"), "E_INIT", "got an empty file"),
        (("--init", "BOX.ply", "--lock-geometry", "--set", "representation=field"), "E_RECIPE_INVALID", "got field"),
        (("--init", "shap-e:/nowhere"), "E_MODEL_UNKNOWN", "expected shap-e, a model id or a folder, got '/nowhere'"),
        (("--init", "shap-e:taesd"), "E_MODEL_ROLE", "expected shap-e, got taesd"),
    ],
)
def test_what_no_run_can_do_is_refused_by_name(capsys, tmp_path, arguments, code, words):
    (tmp_path / "EMPTY.glb").touch()
    trimesh.creation.box().export(tmp_path / "BOX.ply")
    given = [tmp_path / it if it in ("EMPTY.glb", "BOX.ply") else it for it in arguments]
    status, out, _ = _run(capsys, "generate", "a red mug", "-o", tmp_path / "mug.glb", "--json", *given)
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (2, code)
    assert words in error["message"]
    assert not (tmp_path / "mug.glb").exists()


def test_a_full_disk_leaves_the_last_good_asset(capsys, tmp_path, monkeypatch):
    """Nothing of more than 4 KB can be written, from the first write on to the last."""
    kept = {"mug.obj": b"old", "mug.mtl": b"older", "mug_base_color.png": b"oldest"}
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)
    real = limbeck.assets.atomic.os.fsync

    def fsync(descriptor):
        if os.fstat(descriptor).st_size > 4096:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(limbeck.assets.atomic.os, "fsync", fsync)
    command = ("generate", "a red mug", "-o", tmp_path / "mug.obj", "--texture-size", "64", *QUICK, "--json")
    status, out, _ = _run(capsys, *command)
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (4, "E_DISK_FULL")
    assert error["remedy"] == "free some space, or write elsewhere"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == kept


def test_a_start_that_is_no_mesh_is_refused_rather_than_ignored(capsys, tmp_path):
    (tmp_path / "mesh.obj").write_bytes(b"content")
    files = ("-o", tmp_path / "x.glb", "--init", tmp_path / "mesh.obj", "--json")
    status, out, _ = _run(capsys, "generate", "a cat", *files)
    assert (status, json.loads(out)["error"]["code"]) == (2, "E_INIT")


@pytest.fixture
def pictures(tmp_path):
    """A folder of pictures, usable and not."""
    for name, content in {
        "good.png": encoded(disc()),
        "text.png": b"no picture",
        "clear.png": encoded(Image.new("RGBA", (40, 40))),
        "tiny.png": encoded(Image.new("RGB", (1, 1))),
        "huge.png": encoded(Image.new("1", (9000, 9000))),
        "busy.png": encoded(Image.effect_noise((64, 64), 100)),
        "aside.json": json.dumps(
            {"frames": [{"file_path": "good", "camera_angle_x": 0.8, "transform_matrix": LOOKING_AWAY}]}
        ).encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize(
    ("image", "recipe", "code"),
    [
        ("text.png", "limbeck", "E_IMAGE"),
        ("tiny.png", "limbeck", "E_IMAGE"),
        ("huge.png", "limbeck", "E_IMAGE"),
        ("clear.png", "limbeck", "E_IMAGE_EMPTY"),
        ("busy.png", "limbeck", "E_IMAGE_BACKGROUND"),
        ("aside.json", "mvdream", "E_IMAGE_CAMERA"),
        ("good.png", "dreamfusion", "E_RECIPE_INVALID"),
    ],
)
def test_a_reference_that_cannot_be_used_is_one_json_error_and_status_2(capsys, pictures, image, recipe, code):
    arguments = ("generate", "a cat", "-o", pictures / "x.glb", "--image", pictures / image, "--recipe", recipe)
    status, out, _ = _run(capsys, *arguments, "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, code)
    assert not (pictures / "x.glb").exists()


def test_an_image_recipe_that_gets_none_is_refused_before_any_work(capsys, tmp_path):
    arguments = ("generate", "a cat", "-o", tmp_path / "x.glb", "--recipe", "zero123", "--set", "drawn_image=off")
    status, out, err = _run(capsys, *arguments, "--json")
    assert (status, json.loads(out)["error"]["code"]) == (2, "E_RECIPE_INVALID")
    assert "give one with --image" in json.loads(out)["error"]["remedy"]
    assert "prior" not in err


def test_pictures_make_an_asset_from_the_front_and_from_their_cameras(capsys, pictures):
    posed = {"image": "good.png", "camera": {"c2w": ORBIT_CAMERA, "K": K, "width": 96, "height": 64}}
    (pictures / "posed.json").write_text(json.dumps(posed))
    images = ("--image", pictures / "good.png", "--image", pictures / "posed.json")
    status, out, err = _run(capsys, "generate", "a red mug", "-o", pictures / "x.glb", *images, *QUICK, "--json")
    assert (status, json.loads(out)["format"]) == (0, "glb"), err


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
    assert all(set(row) == {"name", "paper", "summary", "hosts"} for row in rows)


def test_show_prints_the_equation_and_every_setting(capsys):
    _, out, _ = _run(capsys, "recipes", "show", "limbeck")
    assert "eps(uncond) + 10 (eps(text, cameras) - eps(uncond))" in out
    assert "terms.1.guidance.scale = 10.0" in out
