# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers give way to their server."""

import sys
from pathlib import Path

import psutil
import pytest

from limbeck_protocol.job import JobSpec
from limbeck_server.priority import NICENESS, niceness_in
from server.harness import connected, run_job, running_server


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has priority classes instead; run on Unix")
def test_a_worker_has_a_lower_priority_than_its_server(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        run_job(client, JobSpec("a penguin", steps=1))
        own, theirs = psutil.Process(server.process.pid).nice(), server.worker.nice()
        assert theirs == min(19, own + NICENESS)


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="only some Linux kernels share by session")
def test_its_session_gives_way_too_and_its_link_stays_prompt(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        run_job(client, JobSpec("a penguin", steps=1))
        own, theirs = (weight_of_session(pid) for pid in (server.process.pid, server.worker.pid))
        assert theirs == min(19, own + NICENESS)
        threads = Path(f"/proc/{server.worker.pid}/task").iterdir()
        nices = [int((thread / "stat").read_text().rpartition(")")[2].split()[16]) for thread in threads]
        assert min(nices) == psutil.Process(server.process.pid).nice()


def weight_of_session(pid: int) -> int:
    return niceness_in(Path(f"/proc/{pid}/autogroup").read_text())


@pytest.mark.parametrize(
    ("text", "niceness"), [("/autogroup-25 nice 5\n", 5), ("/autogroup-3 nice -20\n", -20), ("", 0)]
)
def test_a_session_may_have_no_group(text: str, niceness: int) -> None:
    assert niceness_in(text) == niceness
