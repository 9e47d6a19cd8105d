# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the extension share outside Blender."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def bpy_works() -> None:
    """Skip where Blender's Python module is missing or lacks a system library."""
    outcome = subprocess.run([sys.executable, "-c", "import bpy"], capture_output=True, text=True, check=False)
    if outcome.returncode:
        reason = outcome.stderr.strip().splitlines()[-1:] or [f"status {outcome.returncode}"]
        pytest.skip(f"bpy cannot be imported ({reason[0]}); python -m pip install bpy==5.0.1, with Python 3.11")
