# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A client without a socket: the test plays the server, honest or not, and the clock."""

from typing import Any

from limbeck_protocol.conversation import Conversation
from limbeck_protocol.envelope import CLIENT_MESSAGES, read_message, write_message
from limbeck_protocol.frames import Header, Packet, decode_packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.messages import (
    JobSnapshot,
    Welcome,
)

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
