# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A windowed Blender, a real click on Generate, an undo, true screenshots.

    bash tests/blender/gui/make_root.sh ROOT
    LIMBECK_GUI_ROOT=ROOT python -m pytest -m gui tests/blender/gui

The pictures are left in the test's temporary folder. LIMBECK_GUI_SERVER may be the command of another server than the
synthetic one, such as "limbeck serve", LIMBECK_GUI_PROMPT another prompt, LIMBECK_GUI_STEPS another number of steps
(0 is the recipe's own), LIMBECK_GUI_TIMEOUT_S how long Blender may take.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blender.synthetic_engine import SERVE
from blender.test_build_extension import build_extension
from blender.test_in_blender import blender_environment

HERE = Path(__file__).resolve().parent
TIMEOUT_S = int(os.environ.get("LIMBECK_GUI_TIMEOUT_S", "120"))
GENERATE_BELOW_TOP_PX = 145
needs_root = pytest.mark.skipif(
    "LIMBECK_GUI_ROOT" not in os.environ,
    reason="needs a root file system with Blender: bash tests/blender/gui/make_root.sh ROOT; LIMBECK_GUI_ROOT=ROOT",
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    own = {
        "LIMBECK_GUI_FOLDER": str(tmp_path),
        "LIMBECK_GUI_CLICK_Y": str(GENERATE_BELOW_TOP_PX),
        "LIMBECK_GUI_TIMEOUT_S": str(TIMEOUT_S),
    }
    return blender_environment(tmp_path) | own


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[None]:
    command = os.environ.get("LIMBECK_GUI_SERVER", " ".join(SERVE)).split()
    process = subprocess.Popen(command, env=environment)
    yield
    process.terminate()
    process.wait(timeout=20)


@needs_root
@pytest.mark.gui
@pytest.mark.timeout(0)
@pytest.mark.usefixtures("server")
def test_click_on_generate_forms_a_mesh_and_leaves_one_undo_step(environment: dict[str, str], tmp_path: Path) -> None:
    (zip_file,) = build_extension.build(tmp_path / "out", ("linux-x64",), None, build_extension.TARGETS[1:])
    shutil.copy(zip_file, tmp_path / "limbeck.zip")
    shutil.copy(HERE / "drive.py", tmp_path)
    shutil.copy(HERE / "in_root.sh", tmp_path)
    command = ["bash", str(HERE / "enter_root.sh"), os.environ["LIMBECK_GUI_ROOT"], str(tmp_path)]
    outcome = subprocess.run(
        [*command, "bash", str(tmp_path / "in_root.sh")], env=environment, check=False, timeout=TIMEOUT_S + 60
    )
    log = (tmp_path / "blender.log").read_text(errors="replace")
    assert outcome.returncode == 0, log[-4000:]
    print("screenshots:", *sorted(tmp_path.glob("*.png")))
