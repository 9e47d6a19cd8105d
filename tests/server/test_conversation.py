# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client without a socket: the test plays the server, honest or not, and the clock."""

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.conversation import Conversation
from limbeck_protocol.envelope import CLIENT_MESSAGES, SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.events import (
    Connected,
    Disconnected,
    JobChanged,
    JobProgress,
    JobWarning,
    PreviewMesh,
    RequestFailed,
    Submitted,
)
from limbeck_protocol.frames import Header, Packet, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, Reference, blob_of
from limbeck_protocol.mesh_codec import MeshData, mesh_arrays, pack_mesh
from limbeck_protocol.messages import (
    BlobChunk,
    BlobOpened,
    BlobPut,
    BlobRead,
    BlobStored,
    Bye,
    Failure,
    Hello,
    JobAccepted,
    JobEvent,
    JobSnapshot,
    JobSubmit,
    JobWatch,
    Ping,
    Preview,
    PreviewDone,
    Progress,
    Welcome,
)
from server.strategies import of_type
from server.synthetic_engine import grid

JOB = new_ulid()


class Play:
    """A conversation, the server's half of it, and the time."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self.now = 1000.0
        self.client = Conversation("test", "client")
        self.client.begin(self.now)
        if is_ready:
            self.heard()
            self.say(Welcome("epoch", "session", "1"))
            self.client.take_events()

    def heard(self) -> list[tuple[Any, Packet]]:
        """Return what the client has sent since the last call."""
        packets = [decode_packet(frames) for frames in self.client.exchange.outbox]
        self.client.exchange.outbox.clear()
        return [(read_message(packet, CLIENT_MESSAGES), packet) for packet in packets]

    def messages(self) -> list[Any]:
        return [message for message, _ in self.heard()]

    def say(self, message: object, header: Header | None = None, arrays: dict | None = None) -> list:
        """Send the client a message and return the events that it leads to."""
        self.client.receive(write_message(message, header, arrays))
        return self.client.take_events()

    def answer(self, packet: Packet, message: object, arrays: dict | None = None) -> list:
        return self.say(message, Header("", re=packet.header.id), arrays)

    def wait(self, seconds: float) -> list:
        """Let time pass, pumping as an application would."""
        for _ in range(round(seconds / 0.5)):
            self.now += 0.5
            self.client.tick(self.now)
        return self.client.take_events()

    def watch(self) -> Packet:
        """Watch the job; the server says that it runs."""
        self.client.watch(JOB, previews=True)
        [(_, packet)] = self.heard()
        self.answer(packet, JobSnapshot(JOB, "running", event=3))
        return packet


def test_a_hello_and_a_welcome_make_a_session() -> None:
    play = Play(is_ready=False)
    request = play.client.status(None)
    assert play.messages() == [Hello("client", "test")]
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


def test_a_preview_gives_its_credit_back_when_it_is_taken() -> None:
    play = Play()
    play.watch()
    mesh = MeshData(*grid(4, 1.0))
    [shown] = play.say(Preview(7, 16, 18, True), Header("", job=JOB, seq=2), mesh_arrays(mesh))
    assert (shown.seq, shown.step) == (2, 7)
    np.testing.assert_array_equal(shown.mesh.vertices, mesh.vertices)
    assert play.messages() == [PreviewDone(JOB, 2)]


def pull(play: Play, blob: bytes, crc32: int) -> list:
    """Offer a preview to be pulled and serve its ranges in reverse order; return the events."""
    play.say(Preview(7, 300 * 300, 2 * 299 * 299, False, crc32), Header("", job=JOB, seq=2))
    events = []
    while reads := [(m, p) for m, p in play.heard() if isinstance(m, BlobRead)]:
        for read, packet in reversed(reads):
            data = np.frombuffer(blob, np.uint8, read.length, read.offset)
            events += play.answer(packet, BlobChunk(read.blob, read.offset), {"data": data})
    return events


def test_a_pulled_preview_is_put_together_in_any_order() -> None:
    play = Play()
    play.watch()
    _, blob = pack_mesh(MeshData(*grid(300, 1.0)))
    [shown] = pull(play, blob, zlib.crc32(blob))
    assert isinstance(shown, PreviewMesh)
    assert len(shown.mesh.vertices) == 300 * 300


def test_a_preview_with_another_checksum_is_never_shown() -> None:
    play = Play()
    play.watch()
    _, blob = pack_mesh(MeshData(*grid(300, 1.0)))
    assert [event.code for event in pull(play, blob, 1)] == ["E_CHECKSUM"]


@pytest.mark.parametrize(
    ("preview", "arrays"),
    [
        (Preview(1, 16, 18, True), {}),
        (Preview(1, 1, 1, True), mesh_arrays(MeshData(*grid(2, 1.0))) | {"faces": np.full((2, 3), 99, "<u4")}),
        (Preview(1, 2**40, 2**40, False), {}),
        (Preview(1, -1, 5, False), {}),
        (Preview(1, 0, 0, False), {}),
    ],
)
def test_a_bad_preview_is_a_warning_and_gives_its_credit_back(preview: Preview, arrays: dict) -> None:
    play = Play()
    play.watch()
    [warning] = play.say(preview, Header("", job=JOB, seq=9), arrays)
    assert (type(warning), warning.code) == (JobWarning, "E_MESH")
    assert play.messages() == [PreviewDone(JOB, 9)]


def test_a_superseded_preview_is_dropped_in_silence() -> None:
    play = Play()
    play.watch()
    play.say(Preview(1, 50_000, 50_000, False), Header("", job=JOB, seq=9))
    reads = play.heard()
    assert play.answer(reads[0][1], Failure("E_SUPERSEDED", "", "")) == []
    assert play.messages() == [PreviewDone(JOB, 9)]


def fetch(play: Play, path: Path, opened: BlobOpened, content: bytes) -> list:
    """Serve one download."""
    play.client.fetch(JOB, path, "asset")
    events = play.answer(play.heard()[0][1], opened)
    for read, packet in play.heard():
        data = np.frombuffer(content, np.uint8)[read.offset : read.offset + read.length]
        events += play.answer(packet, BlobChunk("asset", read.offset), {"data": data})
    return events


@pytest.mark.parametrize(
    ("opened", "code"),
    [
        (BlobOpened(3, "0" * 64, ".glb"), "E_CHECKSUM"),
        (BlobOpened(5, "0" * 64, ".glb"), "E_DECODE"),
        (BlobOpened(2**50, "0" * 64, ".glb"), "E_DECODE"),
        (BlobOpened(0, "0" * 64, ".glb"), "E_DECODE"),
    ],
)
def test_a_download_that_is_not_what_was_announced_leaves_nothing(
    tmp_path: Path, opened: BlobOpened, code: str
) -> None:
    path = tmp_path / "a.glb"
    path.write_bytes(b"old")
    [failed] = fetch(Play(), path, opened, b"new")
    assert (type(failed), failed.error.code) == (RequestFailed, code)
    assert [p.name for p in tmp_path.iterdir()] == ["a.glb"]
    assert path.read_bytes() == b"old"


def test_a_download_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    play = Play()
    play.client.fetch(JOB, tmp_path / "a.glb", "asset")
    play.answer(play.heard()[0][1], BlobOpened(10**7, "0" * 64, ".glb"))
    assert len(list(tmp_path.iterdir())) == 1
    play.client.close()
    assert list(tmp_path.iterdir()) == []


def test_blobs_go_up_in_parts_from_where_the_server_wants_them() -> None:
    play = Play()
    image = bytes(2_500_000)
    request = play.client.submit(JobSpec("a penguin", references=(Reference(blob_of(image, ".png")),)), None)
    offsets, received = [], 0
    while isinstance((heard := play.heard()[0])[0], BlobPut):
        offsets.append(heard[0].offset)
        received = max(received, heard[0].offset + heard[1].arrays["data"].nbytes) if len(offsets) != 2 else 5
        play.answer(heard[1], BlobStored(heard[0].sha256, received, received == len(image)))
    assert offsets == [0, 2**20, 5, 2**20 + 5, 2**21 + 5]
    assert heard[0] == JobSubmit(request)
    assert play.answer(heard[1], JobAccepted(JOB, "queued")) == [Submitted(request, JOB)]


def test_blobs_that_the_server_lost_are_sent_again_but_not_for_ever() -> None:
    play = Play()
    play.client.submit(JobSpec("a penguin", references=(Reference(blob_of(b"image")),)), "key")
    events, types = [], []
    while heard := play.heard():
        [(message, packet)] = heard
        types.append(type(message))
        stored = BlobStored("", 5, True)
        events += play.answer(packet, stored if isinstance(message, BlobPut) else Failure("E_BLOB_MISSING", "", ""))
    assert types == [BlobPut, JobSubmit] * 3
    assert [event.error.code for event in events] == ["E_BLOB_MISSING"]


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


def test_a_job_without_its_blobs_content_is_not_submitted() -> None:
    blob = blob_of(b"image")
    job = JobSpec("a", references=(Reference(type(blob)(blob.sha256, blob.size_bytes)),))
    with pytest.raises(ProtocolError, match="blob_of"):
        Play().client.submit(job, None)


def test_a_cancelled_jobs_answer_is_told() -> None:
    play = Play()
    play.client.cancel(JOB)
    assert play.answer(play.heard()[0][1], JobSnapshot(JOB, "running", step=2, steps=9)) == [
        JobChanged(JOB, "running", 2, 9)
    ]
