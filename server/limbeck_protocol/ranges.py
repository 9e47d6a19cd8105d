# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Pulling a blob in ranges, a few at a time, handed on in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.exchange import Exchange
from limbeck_protocol.frames import Packet
from limbeck_protocol.limits import KIB
from limbeck_protocol.messages import BlobChunk, BlobRead

RANGE_BYTES = 256 * KIB
"""A quarter of what the wire allows: encrypting a chunk takes a millisecond, which other clients' messages wait for."""
WINDOW = 8


class RangeReader:
    """Reads bytes [start, size) of a blob; a repeated or reordered answer does no harm."""

    def __init__(
        self,
        exchange: Exchange,
        job: str,
        blob: str,
        *,
        take: Callable[[bytes], object],
        finish: Callable[[], None],
        fail: Callable[[ProtocolError], None],
    ) -> None:
        """Prepare to read; ``take`` gets the bytes in order, and then ``finish`` or ``fail`` is called once."""
        self._exchange = exchange
        self._job = job
        self._blob = blob
        self._take = take
        self._finish = finish
        self._fail = fail
        self._taken = self._asked = self._size = 0
        self._waiting: dict[int, bytes] = {}
        self._requests: dict[int, str] = {}

    def read(self, start: int, size: int) -> None:
        """Ask for the first ranges."""
        self._taken = self._asked = start
        self._size = size
        self._ask_more()

    def stop(self) -> None:
        """Ignore whatever is still to come."""
        for request in self._requests.values():
            self._exchange.forget(request)
        self._requests.clear()
        self._waiting.clear()

    def _ask_more(self) -> None:
        while self._asked < self._size and len(self._requests) + len(self._waiting) < WINDOW:
            offset, length = self._asked, min(RANGE_BYTES, self._size - self._asked)
            question = BlobRead(self._job, self._blob, offset, length)
            self._requests[offset] = self._exchange.ask(question, self._answer_for(offset, length), self._stop_and_fail)
            self._asked += length

    def _answer_for(self, offset: int, length: int) -> Callable[[Any, Packet], None]:
        def answer(message: Any, packet: Packet) -> None:
            data = packet.arrays.get("data")
            if not isinstance(message, BlobChunk) or data is None or data.nbytes != length:
                got = "none" if data is None else data.nbytes
                self._stop_and_fail(ProtocolError("E_DECODE", f"expected a chunk of {length} bytes, got {got}"))
                return
            del self._requests[offset]
            self._waiting[offset] = data.tobytes()
            self._hand_on()

        return answer

    def _hand_on(self) -> None:
        try:
            while self._taken in self._waiting:
                chunk = self._waiting.pop(self._taken)
                self._take(chunk)
                self._taken += len(chunk)
        except ProtocolError as error:
            self._stop_and_fail(error)
            return
        if self._taken == self._size:
            self._finish()
        else:
            self._ask_more()

    def _stop_and_fail(self, error: ProtocolError) -> None:
        self.stop()
        self._fail(error)
