# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck priors``: what it prints, draws and refuses, and that it refuses before it loads anything."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from limbeck.priors.embedded import PRIORS
from limbeck_server.cli import main
from limbeck_server.commands.priors import flatten


def _run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["priors", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "reference.png"
    Image.new("RGB", (70, 50), "red").save(path)
    return path


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """Two samples drawn by a real process."""
    file = tmp_path_factory.mktemp("sampled") / "sheet.png"
    command = [
        sys.executable,
        "-m",
        "limbeck_server",
        "priors",
        "sample",
        "text-to-image",
        "a red car",
        "-o",
        str(file),
    ]
    run = subprocess.run(
        [*command, "--count", "2", "--seed", "5", "--json"], capture_output=True, text=True, timeout=200, check=False
    )
    assert run.returncode == 0, run.stderr
    return file, run


def test_sample_writes_the_sheet_and_prints_one_json_object(sampled):
    file, run = sampled
    summary = json.loads(run.stdout)
    assert run.stdout.count("\n") == 1
    assert summary.pop("seconds") > 0
    expected = {"file": str(file), "prior": "text-to-image", "prompt": "a red car", "count": 2, "seed": 5}
    assert summary == expected
    with Image.open(file) as sheet:
        assert sheet.size == (128, 64)


def test_progress_goes_to_standard_error_without_the_libraries_own(sampled):
    _, run = sampled
    assert run.stderr.splitlines() == ["loading text-to-image", "sampling 2/2"]


def test_nothing_is_left_beside_the_sheet(sampled):
    file, _ = sampled
    assert [path.name for path in file.parent.iterdir()] == ["sheet.png"]


def test_list_names_the_family_without_torch():
    code = (
        "import sys; from limbeck_server.commands.priors import priors; "
        "priors(['list', '--json'], standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)
    assert [row["name"] for row in rows] == list(PRIORS)
    assert {frozenset(row) for row in rows} == {frozenset({"name", "summary", "installed", "size_bytes"})}
    assert rows[0]["installed"]
    assert rows[0]["size_bytes"] > 1_000_000


def test_list_is_readable(capsys):
    status, out, _ = _run(capsys, "list")
    assert status == 0
    assert len(out.splitlines()) == len(PRIORS)
    assert out.startswith("text-to-image")


@pytest.mark.parametrize("name", PRIORS)
def test_card_prints_what_is_known(capsys, name):
    status, out, _ = _run(capsys, "card", name)
    assert status == 0
    assert out.startswith(f"{name}: ")
    status, out, _ = _run(capsys, "card", name, "--json")
    assert status == 0
    assert set(json.loads(out)) == {"name", "summary", "installed", "card", "prior"}


def test_long_curves_are_summarised():
    leaves = dict(flatten({"loss": {"total": list(range(50))}, "words": ["a", "b"], "steps": 3}))
    assert leaves == {"loss.total": "0 at first, 49 at last (50 values)", "words": "a, b", "steps": "3"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("card", "nope"), "E_MODEL_UNKNOWN"),
        (("sample", "nope", "a cat", "-o", "x.png"), "E_MODEL_UNKNOWN"),
        (("sample", "text-to-image", "-o", "x.png"), "E_PROMPT_EMPTY"),
        (("sample", "text-to-image", "  ", "-o", "x.png"), "E_PROMPT_EMPTY"),
        (("sample", "text-to-image", "x" * 1001, "-o", "x.png"), "E_PROMPT_TOO_LONG"),
        (("sample", "text-to-image", "a cat"), "E_USAGE"),
        (("sample", "text-to-image", "a cat", "-o", "x.gif"), "E_FORMAT"),
        (("sample", "text-to-image", "a cat", "-o", "no/such/folder/x.png"), "E_OUTPUT_UNWRITABLE"),
        (("sample", "text-to-image", "a cat", "-o", "x.png", "--count", "0"), "E_USAGE"),
        (("sample", "text-to-image", "a cat", "-o", "x.png", "--count", "many"), "E_USAGE"),
        (("sample", "text-to-image", "a cat", "-o", "x.png", "--seed", "-1"), "E_USAGE"),
        (("sample", "text-to-image", "a cat", "-o", "x.png", "--image", "y.png"), "E_USAGE"),
        (("sample", "image-prompt", "a cat", "-o", "x.png"), "E_USAGE"),
        (("sample", "novel-view", "-o", "x.png"), "E_USAGE"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_object(capsys, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    status, out, err = _run(capsys, *arguments, "--json")
    assert json.loads(out)["error"]["code"] == code
    assert status == 2
    assert "loading" not in err
    assert not list(tmp_path.iterdir())


def test_a_prior_that_is_not_shipped_names_the_command_that_trains_it(capsys, tmp_path, monkeypatch, image):
    monkeypatch.setattr("limbeck.priors.embedded.is_installed", lambda name, folder: False)
    status, out, _ = _run(capsys, "sample", "structure", "a cat", "-o", tmp_path / "x.png", "--image", image, "--json")
    error = json.loads(out)["error"]
    assert (status, error["code"]) == (2, "E_MODEL_MISSING")
    assert "python -m limbeck.training family --out" in error["remedy"]


@pytest.mark.parametrize(
    ("content", "code"), [(None, "E_FILE"), (b"no picture", "E_IMAGE"), (b"", "E_IMAGE"), ("cut", "E_IMAGE")]
)
def test_a_picture_that_cannot_be_read_is_refused(capsys, tmp_path, monkeypatch, image, content, code):
    monkeypatch.setattr("limbeck_server.commands.priors.require_installed", lambda name: None)
    path = tmp_path / "given.png"
    if content is not None:
        path.write_bytes(image.read_bytes()[:90] if content == "cut" else content)
    status, out, _ = _run(
        capsys, "sample", "image-prompt", "a cat", "-o", tmp_path / "x.png", "--image", path, "--json"
    )
    assert (status, json.loads(out)["error"]["code"]) == (2, code)
