# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server whose workers end before they can take a job says so, instead of letting everybody wait."""

from pathlib import Path

from limbeck_protocol import blocking
from limbeck_protocol.client import Client, RequestFailed, Status
from limbeck_protocol.job import JobSpec
from server.harness import connected, first, running_server, wait_until


def server_state(client: Client) -> str:
    client.status()
    return blocking.expect(client, Status).server.state


def test_a_worker_that_never_starts_is_told_and_new_jobs_are_refused(tmp_path: Path) -> None:
    with running_server(tmp_path, "--engine", "dying_engine:engine") as server, connected(server) as client:
        assert server_state(client) == "starting"
        wait_until(lambda: server_state(client) == "worker_fails")
        client.submit(JobSpec("a penguin"))
        error = first(client, RequestFailed).error
        assert error.code == "E_WORKER_START"
        assert error.remedy is not None
        log = error.remedy.removeprefix("read why in ").partition(", then")[0]
        assert Path(log).is_file()


def test_jobs_that_crash_their_worker_do_not_count(tmp_path: Path) -> None:
    with running_server(tmp_path) as server, connected(server) as client:
        wait_until(lambda: server_state(client) == "idle")
        for _ in range(2):
            client.submit(JobSpec("crash"))
        wait_until(lambda: [line.state for line in statuses(client)] == ["failed", "failed"], 60.0)
        assert server_state(client) != "worker_fails"


def statuses(client: Client) -> list:
    client.status()
    return list(blocking.expect(client, Status).jobs)
