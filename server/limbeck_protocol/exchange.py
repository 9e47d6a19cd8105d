# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Requests and their answers, without a socket: what stays unanswered is sent again with the same id."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from limbeck_protocol.envelope import write_message, write_views
from limbeck_protocol.errors import ProtocolError, error_from_dict
from limbeck_protocol.frames import Frame, Header, Packet
from limbeck_protocol.ids import new_ulid
from limbeck_protocol.limits import MAX_TRIES, RETRY_S

OnAnswer = Callable[[Any, Packet], None]
OnFailure = Callable[[ProtocolError], None]


@dataclass
class Pending:
    """A request that waits for its answer."""

    frames: Sequence[Frame]
    on_answer: OnAnswer
    on_failure: OnFailure
    sent_at: float
    tries: int = 1


class Exchange:
    """The requests of one client, in the order in which they were made.

    Attributes:
        now: monotonic seconds, set by the client before it does anything else.
        outbox: messages that the client should send; cleared when the connection is lost.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.outbox: deque[Sequence[Frame]] = deque()
        self.is_open = False
        self._pending: dict[str, Pending] = {}

    def ask(
        self,
        message: object,
        on_answer: OnAnswer,
        on_failure: OnFailure,
        *,
        arrays: Mapping[str, NDArray] | None = None,
        request: str | None = None,
    ) -> str:
        """Send a request, now or when the connection stands, and return its id."""
        request = request or new_ulid()
        frames = write_views(message, Header("", id=request), arrays)
        self._pending[request] = Pending(frames, on_answer, on_failure, self.now)
        if self.is_open:
            self.outbox.append(frames)
        return request

    def tell(self, message: object, request: str = "") -> None:
        """Send a message that has no answer, or none that counts; it is lost if the connection is."""
        self.outbox.append(write_message(message, Header("", id=request or new_ulid())))

    def forget(self, request: str) -> None:
        """Stop waiting for an answer."""
        self._pending.pop(request, None)

    def open(self) -> None:
        """Send everything that is unanswered, because a session has begun."""
        self.is_open = True
        for pending in self._pending.values():
            pending.sent_at, pending.tries = self.now, 1
            self.outbox.append(pending.frames)

    def lose(self) -> None:
        """Hold everything back until the next session."""
        self.is_open = False
        self.outbox.clear()

    def take_answer(self, packet: Packet, message: Any) -> bool:
        """Give an answer to whoever asked; say whether anybody did."""
        pending = self._pending.pop(packet.header.re or "", None)
        if pending is None:
            return False
        if packet.header.t == "error":
            pending.on_failure(error_from_dict(packet.header.body))
        else:
            pending.on_answer(message, packet)
        return True

    def send_again(self) -> None:
        """Repeat what has waited too long, and give up on what has been sent too often."""
        if not self.is_open:
            return
        overdue = [(key, p) for key, p in self._pending.items() if self.now - p.sent_at >= RETRY_S]
        for request, pending in overdue:
            if pending.tries >= MAX_TRIES:
                self.forget(request)
                pending.on_failure(_no_answer())
            else:
                pending.sent_at, pending.tries = self.now, pending.tries + 1
                self.outbox.append(pending.frames)


def _no_answer() -> ProtocolError:
    message = f"the server did not answer a request in {MAX_TRIES * RETRY_S:.0f} s"
    return ProtocolError("E_NO_ANSWER", message, "see the server's log, or restart it", retryable=True)
