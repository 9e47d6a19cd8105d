# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's connection home: what is sent when, with a socket of the test in the server's place."""

import os
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zmq

from limbeck_protocol.envelope import read_message, write_message
from limbeck_protocol.frames import Header, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.job import JobSpec, job_to_json
from limbeck_protocol.mesh_codec import packed_size_bytes
from limbeck_server import worker_link
from limbeck_server.engine import EnginePreview
from limbeck_server.executors.local import WorkerOrders
from limbeck_server.mailbox import Bell, Order
from limbeck_server.mesh_packer import MeshPacker
from limbeck_server.worker_link import WorkerLink
from limbeck_server.worker_messages import FROM_WORKER, NAMES, Finished, MeshCredit, Meshed, RunJob, Warned, WorkerHello
from server.synthetic_engine import grid

PATIENCE_MS = 10_000


@dataclass
class Home:
    """The server's end."""

    socket: zmq.Socket[bytes]
    link: WorkerLink
    peer: bytes = b""

    def hear(self, *kinds: type) -> Any:
        """Return the next message of these kinds."""
        while self.socket.poll(PATIENCE_MS):
            self.peer, *frames = self.socket.recv_multipart()
            message = read_message(decode_packet(frames), FROM_WORKER)
            if isinstance(message, kinds):
                return message
        raise AssertionError(f"expected {kinds}, heard nothing")

    def say(self, message: object, header: Header, **arrays: Any) -> None:
        self.socket.send_multipart([self.peer, *write_message(message, header, arrays, NAMES)])

    def run(self, folder: Path) -> Order:
        """Give the worker a job, which brings credit for one mesh."""
        spec = np.frombuffer(job_to_json(JobSpec("a penguin")), np.uint8)
        self.say(RunJob(str(folder), str(folder)), Header("", job=new_ulid(), att=1), spec=spec)
        return self.link.next_order()


@pytest.fixture
def home() -> Iterator[Home]:
    with zmq.Context() as context, closing(context.socket(zmq.ROUTER)) as socket:
        socket.linger = 0
        socket.bind("tcp://127.0.0.1:*")
        address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        link = WorkerLink(WorkerOrders(address, "token", "engine:engine", os.getpid()))
        found = Home(socket, link)
        found.hear(WorkerHello)
        yield found
        link.close()


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The meshes that were packed, by their step."""
    steps: list[int] = []
    pack = MeshPacker.pack

    def counted(packer: MeshPacker, mesh: EnginePreview, **options: Any) -> Any:
        steps.append(mesh.step)
        return pack(packer, mesh)

    monkeypatch.setattr(MeshPacker, "pack", counted)
    return steps


def preview(step: int) -> EnginePreview:
    return EnginePreview(step, *grid(step + 2, 1.0))


def test_meshes_that_nobody_has_asked_for_are_not_packed(home: Home, packed: list[int], tmp_path: Path) -> None:
    order = home.run(tmp_path)
    home.link.show(order, preview(1))
    assert home.hear(Meshed).step == 1
    for step in range(2, 20):
        home.link.show(order, preview(step))
    home.say(MeshCredit(), Header("", job=order.job, att=1))
    assert home.hear(Meshed).step == 19
    assert packed == [1, 19]


def test_a_mesh_that_cannot_be_sent_costs_no_credit(home: Home, tmp_path: Path) -> None:
    order, bad = home.run(tmp_path), preview(1)
    home.link.show(order, replace(bad, vertices=np.full_like(bad.vertices, np.nan)))
    assert home.hear(Warned).code == "E_MESH"
    home.link.show(order, preview(2))
    assert home.hear(Meshed).step == 2


def test_a_mesh_from_before_the_end_is_not_sent_after_it(home: Home, packed: list[int], tmp_path: Path) -> None:
    order = home.run(tmp_path)
    home.link.show(order, preview(1))
    home.hear(Meshed)
    home.link.show(order, preview(2))
    home.link.send(Finished("asset.glb", 1, "0" * 64, {}), order)
    home.hear(Finished)
    order = home.run(tmp_path)
    home.link.show(order, preview(3))
    assert home.hear(Meshed).step == 3
    assert packed == [1, 3]


def test_messages_do_not_wait_for_the_next_turn(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_link, "POLL_MS", 2 * PATIENCE_MS)
    order = home.run(tmp_path)  # what comes ends the last short turn
    home.link.show(order, preview(1))
    assert home.hear(Meshed).step == 1
    home.link.send(Warned("W_TEST", "wakes"), order)
    assert home.hear(Warned).code == "W_TEST"


def test_a_bell_that_nobody_hears_can_be_rung_for_ever() -> None:
    bell, poller = Bell(), zmq.Poller()
    poller.register(bell, zmq.POLLIN)
    for _ in range(100_000):
        bell.ring()
    assert poller.poll(0)
    bell.hush()
    assert not poller.poll(0)
    bell.close()


def test_faces_are_packed_only_where_they_are_new() -> None:
    packer, first = MeshPacker(), preview(300)
    moved = replace(first, vertices=first.vertices + 1, faces=first.faces.copy())
    turned = replace(moved, faces=moved.faces[::-1].copy())
    small = preview(2)
    found = [packer.pack(mesh) for mesh in (first, moved, turned, small, first)]
    assert [message.has_faces for message, _ in found] == [True, False, True, True, True]
    for mesh, (message, arrays) in zip((first, moved, turned, small, first), found, strict=True):
        sizes = sum(array.nbytes for array in arrays.values())
        assert sizes == packed_size_bytes(len(mesh.vertices), len(mesh.faces) if message.has_faces else 0)
        points = mesh.vertices.tobytes() + mesh.colors.tobytes()
        assert b"".join(a.tobytes() for name, a in arrays.items() if not name.startswith("faces")) == points
        assert message.crc32 == zlib.crc32(points)
        whole = mesh.vertices.tobytes() + mesh.faces.tobytes() + mesh.colors.tobytes()
        assert message.whole_crc32 == (zlib.crc32(whole) if message.has_faces else None)
