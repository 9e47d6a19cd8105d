# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs inside/ in a process of its own that has bpy, a fresh home and no limbeck but that of this checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCENARIOS = sorted(path.name for path in (HERE / "inside").glob("scenario_*.py"))


@pytest.mark.usefixtures("bpy_works")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario_passes_in_blender(scenario: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-o", "python_files=scenario_*.py"]
    outcome = subprocess.run(
        [*command, str(HERE / "inside" / scenario)],
        env=blender_environment(tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
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
