# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Sessions, requests and events of a client whose server the test plays, honest or not."""

from itertools import pairwise
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol import MINOR
from limbeck_protocol.envelope import SERVER_MESSAGES, write_message
from limbeck_protocol.events import (
    Connected,
    Disconnected,
    JobChanged,
    JobProgress,
    JobWarning,
    RequestFailed,
)
from limbeck_protocol.frames import Header
from limbeck_protocol.job import JobSpec
from limbeck_protocol.limits import SESSION_TIMEOUT_S
from limbeck_protocol.messages import (
    Bye,
    Failure,
    Hello,
    JobAccepted,
    JobEvent,
    JobSnapshot,
    JobSubmit,
    JobWatch,
    Ping,
    Progress,
    Welcome,
)
from limbeck_server.commands.jobs import show
from limbeck_server.console import ProgressReport
from server.play import JOB, Play
from server.strategies import of_type


def test_a_hello_and_a_welcome_make_a_session() -> None:
    play = Play(is_ready=False)
    request = play.client.status(None)
    assert play.messages() == [Hello("client", "test", MINOR, ("preview.update",))]
    [connected] = play.say(Welcome("epoch", "session", "1"))
    assert isinstance(connected, Connected)
    assert play.client.state == "ready"
    assert [packet.header.id for _, packet in play.heard()] == [request]


def test_an_unanswered_request_is_repeated_and_then_given_up() -> None:
    play = Play()
    request = play.client.cancel(JOB)
    sent, failed = play.heard(), []
    for _ in range(70):
        failed += play.wait(0.5)
        play.client.receive(write_message(JobEvent("state", "queued")))  # a sign of life that answers nothing
        sent += play.heard()
    repeats = [packet.header.id for message, packet in sent if not isinstance(message, Ping)]
    assert repeats == [request] * 6
    assert [(event.request, event.error.code) for event in failed] == [(request, "E_NO_ANSWER")]


def test_a_silent_server_is_pinged_and_then_left() -> None:
    play = Play()
    play.wait(2.5)
    assert [type(message) for message in play.messages()] == [Ping]
    [lost] = play.wait(4.5)
    assert isinstance(lost, Disconnected)
    assert (play.client.state, play.client.needs_socket) == ("reconnecting", True)


@pytest.mark.parametrize("turn_s", [0.25, 1.5], ids=["as often as progress comes", "seldom"])
def test_a_client_that_only_listens_keeps_its_session(turn_s: float) -> None:
    play = Play()
    play.watch()
    begun_at, pinged_at = play.now, [play.now]
    while play.now - begun_at < 2 * SESSION_TIMEOUT_S:
        play.now += turn_s
        play.say(Progress("optimising", 1, 9), Header("", job=JOB))
        play.client.tick(play.now)
        pinged_at += [play.now for message in play.messages() if isinstance(message, Ping)]
    gaps = [after - before for before, after in pairwise([*pinged_at, play.now])]
    assert max(gaps) < SESSION_TIMEOUT_S / 2, "the server forgets whom it has not heard for SESSION_TIMEOUT_S"
    assert min(gaps[:-1]) >= 5.0, "a flood is no reason to flood the server"


def test_an_application_that_paused_does_not_blame_the_server() -> None:
    play = Play()
    play.now += 300.0
    play.client.tick(play.now)
    assert play.client.take_events() == []
    assert play.client.state == "ready"


def test_a_restarted_server_gets_watches_and_requests_again() -> None:
    play = Play()
    play.watch()
    play.say(JobEvent("state", "running"), Header("", job=JOB, seq=3))
    request = play.client.submit(JobSpec("a penguin"), "key")
    play.heard()
    play.say(Failure("E_NO_SESSION", "", ""), Header("", re=request))
    assert play.client.state == "reconnecting"
    assert [type(message) for message in play.messages()] == [Hello]
    play.say(Welcome("another", "session", "1"))
    heard = play.heard()
    assert [type(message) for message, _ in heard] == [JobSubmit, JobWatch]
    assert heard[0][1].header.id == request
    assert heard[1][0].after == 3
    assert play.answer(heard[1][1], JobSnapshot(JOB, "running", event=3)) == []


def test_goodbye_from_the_server_asks_for_a_fresh_socket() -> None:
    play = Play()
    [lost] = play.say(Bye("the server stopped"))
    assert lost == Disconnected("the server stopped")
    assert play.client.needs_socket


def test_another_version_is_refused_for_good() -> None:
    play = Play(is_ready=False)
    play.client.receive([b"LMB\x07", b"{}"])
    assert play.client.state == "refused"
    assert play.client.refusal.code == "E_VERSION"
    play = Play(is_ready=False)
    play.say(Failure("E_VERSION", "too old", "update", supported=(2, 3)))
    assert (play.client.state, play.client.refusal.remedy) == ("refused", "update")


def test_a_revoked_key_ends_the_session_for_good_and_says_no_more_than_that() -> None:
    play = Play()
    [lost] = play.say(Failure("E_AUTH", "this key is not authorised any more", "ask"))
    assert lost == Disconnected("E_AUTH: this key is not authorised any more; ask", is_final=True)
    report = Mock(spec=ProgressReport)
    show(report, lost)
    assert report.mock_calls == [], "the command ends with the refusal itself, and does not try again"
    show(report, Disconnected("the connection was cut off"))
    report.say.assert_called_once_with("the connection was cut off; trying again")


def test_events_come_once_and_in_order() -> None:
    play = Play()
    play.watch()
    header = Header("", job=JOB, seq=4)
    warning = JobEvent("warning", "running", code="W", message="careful")
    assert play.say(warning, header) == [JobWarning(JOB, "W", "careful")]
    assert play.say(warning, header) == []
    failed = JobEvent("state", "failed", 3, 9, error={"code": "E_X", "message": "m", "remedy": "r"})
    [end] = play.say(failed, Header("", job=JOB, seq=5))
    assert (end.state, end.step, end.steps, end.error.code) == ("failed", 3, 9, "E_X")
    assert play.say(Progress("optimising", 4, 9), Header("", job=JOB)) == []


def test_only_the_latest_progress_is_told() -> None:
    play = Play()
    play.watch()
    for step in range(5):
        play.client.receive(write_message(Progress("optimising", step, 9), Header("", job=JOB)))
    assert play.client.take_events() == [JobProgress(JOB, "optimising", 4, 9, "")]


@given(st.lists(st.binary(max_size=100), max_size=4))
def test_arbitrary_bytes_from_a_server_do_no_harm(frames: list[bytes]) -> None:
    play = Play()
    play.client.receive(frames)
    play.client.take_events()


@given(st.data())
def test_arbitrary_messages_from_a_server_do_no_harm(data: st.DataObject) -> None:
    play = Play()
    packet = play.watch()
    requests = [
        play.client.status(None),
        play.client.cancel(JOB),
        play.client.submit(JobSpec("a"), None),
        packet.header.id,
    ]
    for _ in range(3):
        message = data.draw(of_type(SERVER_MESSAGES[data.draw(st.sampled_from(list(SERVER_MESSAGES)))]))
        header = Header("", re=data.draw(st.sampled_from(requests)), job=JOB, seq=data.draw(st.integers(-5, 5)))
        play.say(message, header)
        play.wait(1.0)


def test_a_server_that_lies_about_types_is_a_failed_request() -> None:
    play = Play()
    play.client.status(None)
    [failed] = play.answer(play.heard()[0][1], JobAccepted(JOB, "queued"))
    assert (type(failed), failed.error.code) == (RequestFailed, "E_DECODE")


def test_a_cancelled_jobs_answer_is_told() -> None:
    play = Play()
    play.client.cancel(JOB)
    assert play.answer(play.heard()[0][1], JobSnapshot(JOB, "running", step=2, steps=9)) == [
        JobChanged(JOB, "running", 2, 9)
    ]
