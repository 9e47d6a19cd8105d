# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``limbeck lab``: what it lists and prints, and what it refuses before any work."""

import json

import pytest

from limbeck.lab.catalogue import EXPERIMENTS
from limbeck_server.cli import main
from limbeck_server.commands.lab import _left

HEADER = {"limbeck": "lab", "version": 1, "settings": {"experiment": "janus", "profile": "quick"}}
RUN = {
    "kind": "run",
    "arm": "sds",
    "prompt": "a blue penguin",
    "seed": 0,
    "fingerprint": "f",
    "steps": 150,
    "seconds": 20.0,
    "error": {"code": "E_EMPTY", "message": "nothing is there"},
    "success": False,
    "fronts": "none",
    "object_share": 0.0,
    "color_share": 0.0,
    "curve": [],
}


def lab(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["lab", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.fixture
def folder(tmp_path):
    """A folder with one finished run, and a last line that was cut off."""
    text = f'{json.dumps(HEADER)}\n{json.dumps(RUN)}\n{{"kind": "ru'
    (tmp_path / "janus-quick.jsonl").write_text(text)
    return tmp_path


def test_the_list_has_every_experiment_and_its_claim(capsys):
    status, out, _ = lab(capsys, "list", "--json")
    assert (status, [row["name"] for row in json.loads(out)]) == (0, list(EXPERIMENTS))
    assert all(set(row) == {"name", "claim"} for row in json.loads(out))
    _, out, _ = lab(capsys, "list")
    assert "janus: JSD makes" in out
    assert "jsd-i-iii" in out


def test_a_report_of_a_file_with_a_torn_last_line_has_the_finished_runs(capsys, folder):
    status, out, err = lab(capsys, "report", "-o", folder, "--json")
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert out.count("\n") == 1
    (section,) = found["experiments"]
    assert section["runs"] == 1
    assert section["tables"][0]["rows"][0][:2] == ["sds", 1]
    assert section["tables"][0]["rows"][0][2] == {
        "mean": 0.0,
        "low": 0.0,
        "high": pytest.approx(0.7935, abs=1e-4),
        "n": 1,
    }
    page = (folder / "report.html").read_text()
    assert "counted as no success: sds &#x27;a blue penguin&#x27; 0 (E_EMPTY)" in page


def test_the_printed_report_has_the_same_figures(capsys, folder):
    status, out, _ = lab(capsys, "report", "-o", folder)
    assert status == 0
    assert "0.00 [0.00, 0.79]" in out
    assert out.endswith(f"{folder / 'report.html'}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("report", "-o", "EMPTY"), "E_NOT_FOUND", "expected a finished run in"),
        (("run", "janos", "-o", "EMPTY"), "E_NOT_FOUND", "did you mean 'janus'?"),
        (("run", "janus", "--arms", "sds,zds", "-o", "EMPTY"), "E_NOT_FOUND", "got 'zds'"),
        (("run", "janus", "--prompts", "a blue mug", "-o", "EMPTY"), "E_USAGE", "a toy with a front"),
        (("run", "janus", "--seeds", "0", "-o", "EMPTY"), "E_USAGE", "seeds"),
        (("run", "janus", "-o", "FILE"), "E_USAGE", "is a file"),
        (("run", "janus", "-o", "FILE/below"), "E_OUTPUT_UNWRITABLE", "cannot make the folder"),
    ],
)
def test_bad_input_is_refused_in_words(capsys, tmp_path, arguments, code, said):
    (tmp_path / "FILE").write_text("")
    (tmp_path / "EMPTY").mkdir()
    placed = [tmp_path / word if word.startswith(("EMPTY", "FILE")) else word for word in arguments]
    status, out, err = lab(capsys, *placed)
    assert (status, out) == (2, "")
    assert f"error {code}: " in err
    assert said in err
    assert not list((tmp_path / "EMPTY").iterdir())


def test_a_file_of_another_version_is_refused_and_kept(capsys, folder):
    file = folder / "janus-quick.jsonl"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    before = file.read_bytes()
    status, _, err = lab(capsys, "run", "janus", "-o", folder)
    assert status == 2
    assert "E_RESULTS" in err
    assert file.read_bytes() == before


def test_the_time_left_is_said_in_fitting_units():
    assert (_left(None), _left(45.2), _left(600)) == ("", ", 45 s left", ", 10 min left")
