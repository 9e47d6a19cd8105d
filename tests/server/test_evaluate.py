# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""`limbeck evaluate`: a batch that is measured, resumed, and refused before work where it cannot be done."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import make_mesh
from limbeck.errors import LimbeckError
from limbeck.evaluation.prompt_files import asset_name, read_items
from limbeck_server import evaluation
from limbeck_server.cli import main

PROMPTS = ("a blue penguin", "a red mug")


def write_ball(path: Path, color: tuple[int, int, int]) -> None:
    ball = trimesh.creation.icosphere(subdivisions=2)
    colors = np.tile((*color, 255), (len(ball.vertices), 1)).astype(np.uint8)
    write_glb(path, make_mesh(np.asarray(ball.vertices), np.asarray(ball.faces), colors), metadata={})


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    (tmp_path / "prompts.txt").write_text("# toys\n" + "\n\n".join(PROMPTS) + "\n")
    write_ball(tmp_path / "a_blue_penguin.glb", (40, 60, 220))
    write_ball(tmp_path / "a_red_mug.glb", (220, 30, 30))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], folder: Path, *more: str, prompts: str = "prompts.txt") -> tuple[int, dict]:
    arguments = ["evaluate", str(folder / prompts), "-o", str(folder / "results.jsonl"), "--views", "8", "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *more])
    out = capsys.readouterr().out
    assert out.count("\n") == 1, "one object"
    return int(ended.value.code or 0), json.loads(out)


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()][1:]


def test_a_batch_is_measured_and_summed_up(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, outcome = run(capsys, batch)
    assert (status, outcome["assets"], outcome["failed"]) == (0, 2, [])
    values = [row["values"] for row in rows(batch)]
    color = outcome["measures"]["color"]
    assert color["n"] == 2
    assert color["mean"] == pytest.approx((values[0]["color"] + values[1]["color"]) / 2)
    assert color["low"] <= color["mean"] <= color["high"]
    assert outcome["measures"]["fronts"]["n"] == 1, "a mug has no front"
    assert "best_side" not in outcome["measures"]


def test_a_second_run_goes_on_and_measures_nothing_twice(
    batch: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run(capsys, batch)
    results = batch / "results.jsonl"
    content = results.read_bytes()
    results.write_bytes(content[: content.rindex(b'"values"')])  # as a crash amid the second row leaves it
    read = []
    honest = evaluation.read_asset
    monkeypatch.setattr(evaluation, "read_asset", lambda path: read.append(path.name) or honest(path))
    status, outcome = run(capsys, batch)
    assert (status, read) == (0, ["a_red_mug.glb"])
    assert outcome["measures"] == whole["measures"]
    assert run(capsys, batch)[1] == outcome
    assert read == ["a_red_mug.glb"]
    write_ball(batch / "a_blue_penguin.glb", (220, 30, 30))
    assert run(capsys, batch)[1]["measures"]["color"] != outcome["measures"]["color"], "a changed file is another asset"
    assert read == ["a_red_mug.glb", "a_blue_penguin.glb"]


def test_an_asset_that_cannot_be_read_is_a_row_and_the_batch_goes_on(
    batch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = (batch / "a_blue_penguin.glb").read_bytes()
    (batch / "a_blue_penguin.glb").write_bytes(whole[:300])
    status, outcome = run(capsys, batch)
    assert status == 5
    assert [row["code"] for row in outcome["failed"]] == ["E_ASSET"]
    assert outcome["measures"]["color"]["n"] == 1
    (batch / "a_blue_penguin.glb").write_bytes(whole)
    status, outcome = run(capsys, batch)
    assert (status, outcome["failed"]) == (0, [])
    assert ["error" in row for row in rows(batch)] == [True, False, False], "tried again, nothing else"


def test_results_of_other_settings_are_not_mixed(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, batch)
    before = (batch / "results.jsonl").read_bytes()
    status, outcome = run(capsys, batch, "--measures", "score")
    assert (status, outcome["error"]["code"]) == (2, "E_RESULTS")
    assert "measures" in outcome["error"]["message"]
    assert (batch / "results.jsonl").read_bytes() == before


def test_a_missing_asset_is_made_and_measured(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (batch / "more.jsonl").write_text('{"prompt": "a green frog", "asset": "made/frog.glb", "steps": 1, "seed": 4}\n')
    (batch / "made").mkdir()
    small = ("--faces", "200", "--texture-size", "0", "--set", "gaussians.count=200", "--recipe", "dreamfusion")
    status, outcome = run(capsys, batch, "--generate", *small, prompts="more.jsonl")
    assert (status, outcome["assets"]) == (0, 1)
    (row,) = rows(batch)
    assert (row["made"]["recipe"], row["made"]["steps"], row["made"]["seed"]) == ("dreamfusion", 1, 4)
    assert (batch / "made" / "frog.glb").is_file()


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--judge", "nobody"), "E_MODEL_UNKNOWN"),
        (("--judge", "clip-vit-b-32"), "E_MODEL_MISSING"),
        (("--measures", "beauty"), "E_USAGE"),
        (("--measures", ","), "E_USAGE"),
        (("--views", "3"), "E_USAGE"),
        (("--reward", "nowhere"), "E_USAGE"),
        (("--reward", "nowhere", "--measures", "t3"), "E_MODEL_INCOMPLETE"),
        (("--steps", "3"), "E_USAGE"),
        (("--candidates", "none.txt"), "E_PROMPT_FILE"),
        (("--assets", "nowhere"), "E_FILE"),
        (("--generate", "--recipe", "alchemy"), "E_RECIPE_UNKNOWN"),
        (("--generate", "--assets", "nowhere"), "E_OUTPUT_UNWRITABLE"),
        (("--generate", "--assets", ".", "--set", "nothing=1"), "E_SETTING_UNKNOWN"),
    ],
)
def test_what_cannot_be_done_is_refused_before_work(
    batch: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: tuple[str, ...],
    code: str,
) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(batch / "data"))
    (batch / "elsewhere").mkdir()
    monkeypatch.chdir(batch / "elsewhere")
    status, outcome = run(capsys, batch, *more)
    assert (status, outcome["error"]["code"]) == (2, code)
    assert outcome["error"]["remedy"]
    assert not (batch / "results.jsonl").exists()


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("none.txt", None, "E_PROMPT_FILE"),
        ("empty.txt", b"# nothing\n\n", "E_PROMPT_FILE"),
        ("bytes.txt", b"\xff\xfe\x00", "E_PROMPT_FILE"),
        ("twice.txt", b"a red mug\na red mug\n", "E_PROMPT_FILE"),
        ("words.txt", b"a red mug\nthe Eiffel tower\n", "E_FILE"),
        ("torn.jsonl", b'{"prompt": "a red mug"', "E_PROMPT_FILE"),
        ("list.jsonl", b'["a red mug"]', "E_PROMPT_FILE"),
        ("field.jsonl", b'{"prompt": "a red mug", "colour": "red"}', "E_PROMPT_FILE"),
        ("type.jsonl", b'{"prompt": "a red mug", "seed": true}', "E_PROMPT_FILE"),
    ],
)
def test_a_list_that_cannot_be_read_is_refused(
    batch: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, code: str
) -> None:
    if content is not None:
        (batch / name).write_bytes(content)
    status, outcome = run(capsys, batch, prompts=name)
    assert (status, outcome["error"]["code"]) == (2, code)


def test_a_prompt_beyond_the_embedded_words_is_refused(batch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (batch / "more.jsonl").write_text('{"prompt": "the Eiffel tower", "asset": "a_red_mug.glb"}')
    status, outcome = run(capsys, batch, prompts="more.jsonl")
    assert (status, outcome["error"]["code"]) == (2, "E_PROMPT_WORDS")


def test_two_prompts_are_not_made_into_one_file(tmp_path: Path) -> None:
    (tmp_path / "prompts.txt").write_text("a red mug!\na red mug?\n")
    with pytest.raises(LimbeckError, match="a file for each asset"):
        read_items(tmp_path / "prompts.txt", tmp_path)


def test_names_of_assets_are_harmless_and_found_with_any_suffix(tmp_path: Path) -> None:
    assert asset_name("../a/b c: d") == "a_b_c_d"
    assert asset_name("???") == "asset"
    assert len(asset_name("x" * 500)) == 100
    (tmp_path / "prompts.txt").write_text("ein grüner Frosch\na mug\n", encoding="utf-8")
    (tmp_path / "ein_grüner_Frosch.obj").touch()
    assert [item.asset.name for item in read_items(tmp_path / "prompts.txt", tmp_path)] == [
        "ein_grüner_Frosch.obj",
        "a_mug.glb",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(10, "under 1 min"), (170, "3 min"), (3600 + 300, "1 h 5 min"), (7190, "2 h 0 min")]
)
def test_time_left_is_said_for_people(seconds: float, shown: str) -> None:
    assert evaluation.time_left(seconds) == f"({shown} left) "
