# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What starts often starts fast: ``limbeck --help``, the client and the add-on import nothing of torch or diffusers."""

import statistics
import subprocess
import sys
from pathlib import Path

import click
import pytest

from limbeck_server.cli import limbeck
from limbeck_server.command_table import COMMANDS

ROOT = Path(__file__).parents[2]

HEAVY = frozenset(
    ("torch", "diffusers", "transformers", "huggingface_hub", "scipy", "skimage", "numba", "trimesh", "pydantic")
)
MOST_CPU_S = 0.4
RUNS = 5
BEFORE = {"the add-on": "import bpy"}
"""What is there already, and not counted."""
STARTS = {
    "limbeck --help": "from limbeck_server.cli import main; main(['--help'])",
    "limbeck recipes": "from limbeck_server.cli import main; main(['recipes', '--json'])",
    "limbeck models list": "from limbeck_server.cli import main; main(['models', 'list'])",
    "limbeck priors list": "from limbeck_server.cli import main; main(['priors', 'list'])",
    "the client": "import limbeck_protocol.headless, limbeck_protocol.aio",
    "the add-on": "import blender_addon",
}


def run(what: str, ending: str) -> str:
    """Start it in a process of its own, and return the last line of what ``ending`` prints."""
    code = f"""
import sys
{BEFORE.get(what, "")}
try:
    import resource
    used = resource.getrusage(resource.RUSAGE_SELF)
    before = used.ru_utime + used.ru_stime if {what in BEFORE} else 0.0
except ImportError:
    pass
try:
    {STARTS[what]}
except SystemExit as end:
    assert not end.code, end.code
{ending}
"""
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout.splitlines()[-1]


@pytest.fixture(params=STARTS)
def what(request: pytest.FixtureRequest) -> str:
    if request.param in BEFORE:
        pytest.importorskip("bpy", reason="Blender as a module is there for one version of Python alone")
    return request.param


def test_nothing_heavy_is_imported(what: str) -> None:
    loaded = run(what, "print(' '.join({name.split('.')[0] for name in sys.modules}))").split()
    assert not set(loaded) & HEAVY


@pytest.mark.skipif(sys.platform == "win32", reason="processor time of a process is asked for as POSIX has it")
def test_it_starts_within_four_tenths_of_a_second_of_processor_time(what: str) -> None:
    spent = "used = resource.getrusage(resource.RUSAGE_SELF)\nprint(used.ru_utime + used.ru_stime - before)"
    assert statistics.median(float(run(what, spent)) for _ in range(RUNS)) <= MOST_CPU_S


def test_help_shows_each_commands_own_first_line() -> None:
    context = click.Context(limbeck)
    for name, (module, line) in COMMANDS.items():
        command = limbeck.get_command(context, name)
        assert command.callback.__module__ == f"limbeck_server.commands.{module}"
        assert command.get_short_help_str(200) == line
