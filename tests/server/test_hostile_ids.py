# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Five hundred ids that would like to be paths: the server opens nothing outside of its folders for any of them."""

import itertools
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import zmq

from limbeck_protocol import messages as m
from limbeck_protocol.envelope import SERVER_MESSAGES, read_message, write_message
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, job_to_dict
from limbeck_protocol.messages import Failure, Hello
from server.harness import RunningServer, connected, run_job, running_server
from server.test_serving_frames import ask, raw_socket

COUNT = 500
TARGETS = ("etc/passwd", "secret.txt", "root/.ssh/id_rsa", "windows/win.ini", "proc/self/environ", "dev/zero")
DOTS = ("../", "..\\", "..%2f", "%2e%2e/", "..%c0%af", "....//", ".%00./", "..;/", "\u2024\u2024/", "．．／")
STARTS = ("/", "\\\\host\\share\\", "C:\\", "file:///", "~/", "~root/", "//", "/proc/self/root/", "\\\\?\\C:\\", "")
ENDS = ("", "\0", "\0.glb", "\n", "/", "/.", ".glb", "%00", "::$DATA", " ")
PLAIN = (
    "",
    ".",
    "..",
    "/",
    "\\",
    "CON",
    "nul",
    "a" * 5000,
    "\n",
    "*",
    "?",
    "$HOME",
    "`id`",
    "$(id)",
    "-rf",
    "--help",
    "\ud7ff",
)


def hostile_ids() -> list[str]:
    """Return COUNT different ids: traversal, absolute, device and quoting tricks, and well-formed ids with a tail."""
    walks = (dots * depth + target for depth in (1, 3, 8) for dots in DOTS for target in TARGETS)
    absolutes = (start + target + end for start in STARTS for target in TARGETS for end in ENDS)
    tails = (new_ulid() + tail for tail in ("\n", "/..", "/../..", "\0", "/../../secret.txt", "\\..", " ", "/"))
    names = (f"{name}/../../secret.txt" for name in ("asset", "preview-1", "attempt-1", "checkpoint"))
    found = itertools.chain(PLAIN, tails, names, walks, absolutes)
    return list(dict.fromkeys(found))[:COUNT]


def messages_with(hostile: str, job: str) -> Iterator[list[bytes]]:
    """Return messages that carry the id wherever one fits."""
    spec = job_to_dict(JobSpec("a penguin", steps=1))
    image = {"image": {"sha256": hostile, "size_bytes": 5, "suffix": hostile}}
    content = np.zeros(1, np.uint8)

    def submission(**changes: object) -> dict[str, np.ndarray]:
        return {"spec": np.frombuffer(json.dumps(spec | changes).encode("utf-8", "replace"), np.uint8)}

    plain = [
        m.JobCancel(hostile), m.JobWatch(hostile), m.JobUnwatch(hostile), m.StatusRequest(hostile), m.BlobOpen(hostile),
        m.BlobOpen(job, hostile), m.BlobRead(hostile, "asset", 0, 1), m.BlobRead(job, hostile, 0, 1),
    ]  # fmt: skip
    for message in plain:
        yield write_message(message, Header("", id=new_ulid()))
    yield write_message(m.BlobPut(hostile, 1, 0), Header("", id=new_ulid()), {"data": content})
    yield write_message(m.JobSubmit(hostile), Header("", id=new_ulid()), submission())
    yield write_message(m.JobSubmit(new_ulid()), Header("", id=new_ulid()), submission(references=[image]))
    yield write_message(m.JobSubmit(new_ulid()), Header("", id=new_ulid()), submission(recipe=hostile))
    yield write_message(Hello(hostile, "test"), Header("", id=new_ulid()))


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[tuple[RunningServer, Path]]:
    """Give a server that reports every path it touches outside of its root, and the report."""
    report = tmp_path / "touched.txt"
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "s"
    root.mkdir()
    script = [sys.executable, str(Path(__file__).with_name("audited_server.py")), str(root), str(report)]
    with running_server(root, command=script) as server:
        yield server, report


@pytest.mark.skipif(sys.platform == "win32", reason="compares POSIX paths; run on Linux or macOS")
def test_hostile_ids_open_nothing(audited: tuple[RunningServer, Path]) -> None:
    server, report = audited
    with connected(server) as client:
        job, _ = run_job(client, JobSpec("a penguin", steps=1))
    before = report.read_text()
    ids = hostile_ids()
    assert len(ids) == COUNT
    answers = 0
    with zmq.Context() as context, closing(raw_socket(server, context)) as socket:
        ask(socket, write_message(Hello("test", "test"), Header("", id="hello")))
        for hostile in ids:
            sent = list(messages_with(hostile, job))
            for frames in sent:
                socket.send_multipart(frames)
            for _ in sent:
                assert socket.poll(10_000)
                answer = read_message(decode_packet(socket.recv_multipart()), SERVER_MESSAGES)
                answers += 1
                is_harmless = isinstance(answer, Failure) or hostile.isalnum() or hostile == ""
                assert is_harmless, (hostile, answer)
    assert answers == COUNT * len(list(messages_with("x", job)))
    assert report.read_text()[len(before) :] == ""
    touched = sorted(path.name for path in server.place.root.parent.iterdir())
    assert touched == ["s", "secret.txt", "touched.txt"]
