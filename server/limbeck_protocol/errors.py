# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The typed errors of the wire: a stable code, what went wrong, and what to do about it."""

from __future__ import annotations

import errno
from typing import Any

from limbeck_protocol import MAJOR

OUTDATED_REMEDY = "update Limbeck on both sides to the same release"
DISK_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The operating system's errors that are ``E_DISK_FULL``."""


class ProtocolError(Exception):
    """A failure with a stable code; the only exception that decoding may raise.

    Attributes:
        code: stable name such as ``E_NOT_FOUND``; scripts match on it. docs/protocol.md lists all.
        message: one sentence, what was expected and what came.
        remedy: one sentence, what to do.
        field: dotted name of the field that is wrong, when there is one.
        retryable: whether the same request may succeed later.
        retry_after_ms: when to try again, when known.
        trace_id: names the line in the server's log, for errors that are the server's fault.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = OUTDATED_REMEDY,
        *,
        field: str | None = None,
        retryable: bool = False,
        retry_after_ms: int | None = None,
        trace_id: str | None = None,
    ) -> None:
        super().__init__(code, message, remedy)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.field = field
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.trace_id = trace_id

    def __str__(self) -> str:
        return f"{self.code}: {self.message}; {self.remedy}"

    def to_dict(self) -> dict[str, Any]:
        """Return the error as a message body; what is unset is left out."""
        body: dict[str, Any] = {"code": self.code, "message": self.message, "remedy": self.remedy}
        optional: dict[str, Any] = {
            "field": self.field,
            "retryable": self.retryable or None,
            "retry_after_ms": self.retry_after_ms,
            "trace_id": self.trace_id,
        }
        if self.code == "E_VERSION":
            optional["supported"] = [MAJOR, MAJOR]
        return body | {name: value for name, value in optional.items() if value is not None}


class JobError(ProtocolError):
    """A job description that cannot be accepted; ``field`` says which part of it."""


def error_from_dict(body: dict[str, Any]) -> ProtocolError:
    """Read an error body that a peer sent; whatever is missing or of the wrong type gets a neutral default."""

    def text(name: str, default: str) -> str:
        value = body.get(name)
        return value[:2000] if isinstance(value, str) else default

    delay = body.get("retry_after_ms")
    return ProtocolError(
        text("code", "E_UNKNOWN"),
        text("message", "the server sent an error without a message"),
        text("remedy", OUTDATED_REMEDY),
        field=text("field", "") or None,
        retryable=body.get("retryable") is True,
        retry_after_ms=delay if type(delay) is int and delay >= 0 else None,  # a bool is no delay
        trace_id=text("trace_id", "") or None,
    )
