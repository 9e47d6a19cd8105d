# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Clients of minor version 0, which know seven states."""

from dataclasses import fields

import pytest

from golden.make_wire import EXAMPLES, JOB
from limbeck_protocol import MINOR
from limbeck_protocol.messages import JobAccepted, JobEvent, JobLine, JobSnapshot, ServerState, StatusReply
from limbeck_server.jobs import NEXT_STATES
from limbeck_server.older_clients import as_known

OLD_STATES = {"queued", "starting", "running", "finalizing", "succeeded", "failed", "cancelled"}


@pytest.mark.parametrize("state", NEXT_STATES)
def test_an_old_client_hears_only_of_states_that_it_knows(state: str) -> None:
    line = JobLine(JOB, state, 1, 2, "a", "b")
    for message in (JobAccepted(JOB, state), JobSnapshot(JOB, state), JobEvent("state", state), line):
        assert as_known(message, 0).state in OLD_STATES
        assert as_known(message, MINOR) is message
    reply = StatusReply(ServerState("disk_full", "epoch", "1"), (line,))
    assert as_known(reply, 0).jobs[0].state in OLD_STATES


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_an_old_client_understands_is_left_alone(name: str) -> None:
    message, _ = EXAMPLES[name]
    known = as_known(message, 0)
    assert all(getattr(known, field.name) == getattr(message, field.name) for field in fields(message))
