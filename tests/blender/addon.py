# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The extension's modules that know no bpy, importable without the extension's own __init__, which does."""

import importlib
import sys
import types
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "blender_addon"
PACKAGE = "limbeck_addon"


def module(name: str) -> Any:
    """Import one module of the extension, with its relative imports."""
    if PACKAGE not in sys.modules:
        package = types.ModuleType(PACKAGE)
        package.__path__ = [str(FOLDER)]
        sys.modules[PACKAGE] = package
    return importlib.import_module(f"{PACKAGE}.{name}")
