# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Identifiers: ULIDs, made where they are needed and checked before they are used."""

from __future__ import annotations

import os
import re
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z")
TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z")
"""Request ids, idempotency keys and client ids, which a peer chooses."""
MAX_MILLISECONDS = (1 << 48) - 1


MAX_MILLISECONDS = (1 << 48) - 1


def new_ulid() -> str:
    """Return 26 characters of Crockford base 32: 48 bits of Unix milliseconds, then 80 random bits."""
    number = (time.time_ns() // 1_000_000 & MAX_MILLISECONDS) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def is_ulid(text: str) -> bool:
    """Say whether the text is a well-formed ULID; nothing else may become part of a path."""
    return ULID.match(text) is not None


def is_token(text: str) -> bool:
    """Say whether the text may serve as a request id, an idempotency key or a client id."""
    return TOKEN.match(text) is not None
