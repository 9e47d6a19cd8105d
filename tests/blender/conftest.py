# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the extension share outside Blender."""

import os
import subprocess
import sys

import pytest

BPY_PYTHON = os.environ.get("LIMBECK_BPY_PYTHON", sys.executable)
"""The Python whose bpy the scenarios of inside/ run in."""


@pytest.fixture(scope="session")
def bpy_works() -> None:
    """Skip where Blender's Python module is missing or lacks a system library."""
    outcome = subprocess.run([BPY_PYTHON, "-c", "import bpy"], capture_output=True, text=True, check=False)
    if outcome.returncode:
        reason = outcome.stderr.strip().splitlines()[-1:] or [f"status {outcome.returncode}"]
        pytest.skip(f"bpy cannot be imported ({reason[0]}); with Python 3.11: {BPY_PYTHON} -m pip install bpy==5.0.1")
