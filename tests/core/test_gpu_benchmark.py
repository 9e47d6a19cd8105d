# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""`benchmarks/gpu.py`: its dry run measures recipes and writes rows, and it refuses what it cannot do."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, str(ROOT / "benchmarks" / "gpu.py")]
NUMBERS = (
    "ms_per_step",
    "ms_per_step_mean",
    "steps_timed",
    "unet_share",
    "vae_share",
    "render_share",
    "rest_share",
    "tflop_per_step",
    "matrix_peak_tflops",
    "percent_of_peak",
    "models_percent_of_peak",
    "floor_ms_per_step",
    "paper_steps",
    "paper_schedule_minutes",
    "peak_memory_mb",
)


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=200)


def test_dry_run_writes_a_row_per_recipe(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    done = run("--dry-run", "--recipes", "jointdreamer", "prolificdreamer", "--steps", "2", "--json", str(file))
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))
    assert [row["recipe"] for row in rows] == ["jointdreamer", "prolificdreamer"]
    for row in rows:
        assert all(row[name] > 0 for name in NUMBERS)
        parts = [row[f"{part}_share"] for part in ("unet", "vae", "render", "rest")]
        assert sum(parts) == pytest.approx(1.0, abs=0.01)
        assert row["error"] is None
        assert row["dry_run"] is True
        assert row["clock"] == "perf_counter"
        assert row["rasterisers_agree"] is True
        assert row["models"].startswith("tiny")
    assert "DRY RUN" in done.stdout


def test_recipe_that_is_not_begun_in_time_says_so_and_fails_the_command(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    done = run("--dry-run", "--recipes", "gsd", "--steps", "1", "--minutes", "1e-9", "--json", str(file))
    assert done.returncode == 5
    (row,) = json.loads(file.read_text(encoding="utf-8"))
    assert row["ms_per_step"] is None
    assert "--minutes" in row["error"]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--dry-run", "--recipes", "nonsense"], "E_RECIPE_UNKNOWN"),
        (["--dry-run", "--json", "no/such/folder/rows.json"], "E_OUTPUT_UNWRITABLE"),
        (["--dry-run", "--steps", "0"], "E_USAGE"),
    ],
)
def test_bad_input_is_refused_before_work(options: list[str], code: str) -> None:
    done = run(*options)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error {code}: ")
    assert "Traceback" not in done.stderr


def test_header_names_wheels_that_the_project_knows() -> None:
    text = (ROOT / "benchmarks" / "gpu.py").read_text(encoding="utf-8")
    header = re.search(r"^# /// script\n((?:#.*\n)+?)# ///$", text, re.MULTILINE)
    assert header is not None
    named = tomllib.loads("".join(line[2:] + "\n" for line in header[1].splitlines()))["dependencies"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = {re.split(r"[<>=]", it)[0] for it in project["dependencies"] + project["optional-dependencies"]["cuda"]}
    names = {re.split(r"[<>=]", it)[0] for it in named}
    assert names <= known
    assert known - names <= {"pyzmq"}  # what the benchmark never imports
