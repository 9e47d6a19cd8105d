# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the panel offers where something is wrong, and what the diagnostics leave out; without Blender."""

import re
from pathlib import Path
from typing import get_args

import pytest

from blender.addon import FOLDER, module
from limbeck_protocol.limits import MAX_PROMPT_CHARACTERS

fixes = module("fixes")
status = module("status")
diagnostics = module("diagnostics")
Problem = module("job").Problem
DOCUMENTED = set(re.findall(r"`(E_[A-Z_]+)`", (FOLDER.parent / "docs" / "protocol.md").read_text()))
OPERATORS = set(re.findall(r'bl_idname = "(limbeck\.\w+)"', "".join(f.read_text() for f in FOLDER.rglob("*.py"))))


def test_every_documented_error_has_a_remedy() -> None:
    assert len(DOCUMENTED) > 60, "the table of docs/protocol.md is read"
    assert DOCUMENTED - set(fixes.FIXES) == set()
    assert set(fixes.FIXES) - DOCUMENTED == set(), "codes that nothing sends"
    assert all(fix.remedy for fix in fixes.FIXES.values())


def test_every_fix_is_an_operator_that_there_is_and_has_a_label() -> None:
    named = {fix.operator for fix in fixes.FIXES.values()} | set(fixes.LINK_FIXES.values())
    assert named - {""} <= OPERATORS
    assert named - {""} <= set(fixes.LABELS)


def test_every_link_fix_belongs_to_a_state() -> None:
    assert set(fixes.LINK_FIXES) <= set(get_args(status.LinkState))


@pytest.mark.parametrize("state", ["blocked", "unreachable", "stranger", "version", "key"])
def test_states_that_need_the_artist_say_what_to_do_and_have_a_button(state: str) -> None:
    line = status.status_line(state)
    assert line.remedy
    assert line.fix


def test_remedy_about_the_prompt_names_the_limit() -> None:
    assert f"{MAX_PROMPT_CHARACTERS:,}" in fixes.FIXES["E_PROMPT_TOO_LONG"].remedy


def test_problem_says_its_own_remedy_and_fix_first() -> None:
    assert fixes.remedy_for(Problem("x", "free 3 GB", "E_DISK_FULL")) == "free 3 GB"
    assert fixes.remedy_for(Problem("x", "", "E_DISK_FULL")) == fixes.FIXES["E_DISK_FULL"].remedy
    assert fixes.operator_for(Problem("x", "", "E_GPU_OOM")) == "limbeck.pause_others"
    assert fixes.operator_for(Problem("x", "", "E_GPU_OOM", "limbeck.start_server")) == "limbeck.start_server"


def test_problem_of_an_engine_of_others_is_shown_as_it_is() -> None:
    problem = Problem("the engine was asked to fail", "use another prompt", "E_PROMPT_UNKNOWN")
    assert (fixes.remedy_for(problem), fixes.operator_for(problem)) == ("use another prompt", "")


KEY = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
"""An example key of ZeroMQ's documentation, with a slash, as one key in three has."""
PROMPT = "the face of my neighbour"


def facts(log: Path) -> object:
    return diagnostics.Facts(
        addon_version="0.1.0",
        blender_version="5.0.1 (abc)",
        system="Linux 6 x86_64",
        python_version="3.11",
        status="Ready",
        server_version="0.1.0",
        address="tcp://render.example.org:7711",
        devices=("cpu",),
        problems=(f"E_FILE: {Path.home()}/secret/{PROMPT}.glb cannot be written",),
        log_file=log,
    )


def test_diagnostics_leave_out_keys_prompts_and_names(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(
        "\n".join(
            [
                '{"at": 1.5, "event": "job E", "prompt": "a secret \\"quoted\\" thing", "seed": 3}',
                f"client_secret: {KEY}",
                f"refused {KEY}, sha256 {'ab' * 32}",
                f"opened {Path.home()}/models and /home/alice/models and C:\\Users\\Bob\\models and /Users/carol/x",
                f"said {PROMPT} aloud",
                "negative_prompt='blurred faces'",
            ]
        )
    )
    text = diagnostics.report(facts(log), [KEY, PROMPT, "", "ab"])
    for secret in (KEY, PROMPT, "quoted", "ab" * 32, str(Path.home()) + "/", "alice", "Bob", "carol", "blurred"):
        assert secret not in text, secret
    assert "render.example.org" not in text
    for useful in (
        "0.1.0",
        "5.0.1",
        "Linux",
        "Ready",
        "another computer, port 7711",
        "E_FILE",
        '"seed": 3',
        "~/models",
    ):
        assert useful in text, useful


def test_keys_are_left_out_also_where_nobody_names_them(tmp_path: Path) -> None:
    keys = [
        KEY,
        "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID",
        "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs",
    ]
    assert not [key for key in keys if key in diagnostics.cleaned(f"x {key} y '{key}'")]


def test_long_paths_stay_readable() -> None:
    path = "/usr/lib/python3.13/site-packages/limbeck_server/commands/serve.py"
    assert diagnostics.cleaned(f'File "{path}", line 3') == f'File "{path}", line 3'


def test_only_the_end_of_a_long_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("\n".join(f"line {number}" for number in range(100_000)))
    assert diagnostics.last_lines(log)[-1] == "line 99999"
    assert len(diagnostics.last_lines(log)) == diagnostics.LOG_LINES
    assert diagnostics.last_lines(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("ipc:///run/user/1000/limbeck/x", "ipc"),
        ("tcp://127.0.0.1:1", "tcp, this computer, port 1"),
        ("tcp://192.0.2.7:7711", "tcp, another computer, port 7711"),
        ("", "no address"),
    ],
)
def test_address_names_no_computer(address: str, says: str) -> None:
    report = diagnostics.report(diagnostics.Facts("1", "5", "s", "3", "x", address=address))
    assert f" at {says}\n" in report
