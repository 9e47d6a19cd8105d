# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The root file systems that hold the windowed Blenders: found in a cache folder, or made there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

HERE = Path(__file__).resolve().parent
BUILD_TIMEOUT_S = 1800
BLENDERS = {"sid": "the newest Blender that Debian has", "trixie": "Blender 4.3"}


class NoRootError(Exception):
    """No windowed Blender can be had here; the text says why and what would change it."""


def suites() -> tuple[str, ...]:
    """Return the Debian suites whose Blender is asked for."""
    return tuple(os.environ.get("LIMBECK_GUI_SUITES", "sid").split(","))


def find_root(suite: str) -> Path:
    """Return the root file system of a suite, made first where there is none or an old one.

    Raises:
        NoRootError: if it cannot be entered or made here, or making it is not wanted (LIMBECK_GUI_BUILD=0).
    """
    _require_rights()
    folder = cache_folder() / suite
    if _is_current(folder, suite):
        return folder
    if os.environ.get("LIMBECK_GUI_BUILD", "1") == "0":
        raise NoRootError(f"no root file system in {folder}: set LIMBECK_GUI_BUILD=1 to make it (5 minutes, 1.3 GB)")
    _build(suite, folder)
    return folder


def cache_folder() -> Path:
    """Return where the root file systems are kept: LIMBECK_GUI_ROOT, else in the user's cache folder."""
    named = os.environ.get("LIMBECK_GUI_ROOT")
    return Path(named) if named else platformdirs.user_cache_path("limbeck") / "gui"


def _require_rights() -> None:
    if sys.platform != "linux":
        raise NoRootError("a root file system needs Linux")
    if os.geteuid() != 0:
        raise NoRootError("a root file system needs root rights: run the tests as root, in a container for example")
    missing = [name for name in ("unshare", "nsenter", "chroot") if shutil.which(name) is None]
    if missing:
        raise NoRootError(f"the program {missing[0]} is missing: install util-linux and coreutils")
    outcome = subprocess.run(["unshare", "--mount", "true"], capture_output=True, text=True, check=False)
    if outcome.returncode:
        raise NoRootError(f"mounting is not allowed here ({outcome.stderr.strip()})")


def _is_current(folder: Path, suite: str) -> bool:
    mark = folder / "limbeck-root"
    if not mark.is_file():
        return False
    return mark.read_text() == _make_root(suite, folder, "--key").stdout


def _build(suite: str, folder: Path) -> None:
    if not Path("/etc/apt/sources.list.d/debian.sources").is_file():
        raise NoRootError("making a root file system needs Debian's apt, with a mirror in debian.sources")
    print(f"making {folder}, five minutes or so", file=sys.stderr)
    outcome = _make_root(suite, folder)
    if outcome.returncode:
        reason = (outcome.stderr.strip().splitlines() or [f"status {outcome.returncode}"])[-1]
        raise NoRootError(f"the root file system of {suite} could not be made: {reason}")


def _make_root(suite: str, folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = ["bash", str(HERE / "make_root.sh"), suite, str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=BUILD_TIMEOUT_S)
