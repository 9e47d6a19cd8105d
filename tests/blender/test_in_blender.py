# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs inside/ in a process of its own that has bpy, a fresh home and no limbeck but that of this checkout.

LIMBECK_BPY_PYTHON may name the Python of another environment, for another bpy than this one's; see CONTRIBUTING.md.
"""

import os
import subprocess
from pathlib import Path

import pytest

from blender.conftest import BPY_PYTHON

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCENARIOS = sorted(path.name for path in (HERE / "inside").glob("scenario_*.py"))


@pytest.mark.usefixtures("bpy_works")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_passes_in_blender(scenario: str, tmp_path: Path) -> None:
    run_in_blender(scenario, tmp_path, timeout_s=100)


@pytest.mark.slow
@pytest.mark.usefixtures("bpy_works")
def test_the_whole_line_runs_with_the_real_engine(tmp_path: Path) -> None:
    run_in_blender("real_engine.py", tmp_path, timeout_s=230)


@pytest.mark.slow
@pytest.mark.usefixtures("bpy_works")
@pytest.mark.parametrize("what", ["blockout", "monkey"])
def test_jobs_from_the_scene_run_with_the_real_engine(what: str, tmp_path: Path) -> None:
    run_in_blender("real_engine_from_scene.py", tmp_path, timeout_s=230, only=what)


def run_in_blender(file: str, folder: Path, timeout_s: float, only: str = "") -> None:
    """Run the tests of a file of inside/, or those whose names match, in a process of their own."""
    command = [BPY_PYTHON, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "python_files=scenario_*.py"]
    outcome = subprocess.run(
        [*command, "-k", only, str(HERE / "inside" / file)],
        env=blender_environment(folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if outcome.returncode == pytest.ExitCode.NO_TESTS_COLLECTED and " skipped in " in outcome.stdout:
        pytest.skip(f"{BPY_PYTHON} lacks what {file} needs; it says why with -rs")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def blender_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Blender and Limbeck keep all their files in a folder."""
    paths = [str(ROOT / "core"), str(ROOT / "server"), str(ROOT / "tests")]
    names = ("CONFIG", "DATA", "STATE", "CACHE")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))},
        **{f"XDG_{name}_HOME": str(folder / name.lower()) for name in names},
        **{f"LIMBECK_{name}_DIR": str(folder / f"limbeck-{name.lower()}") for name in ("RUNTIME", "DATA", "STATE")},
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
