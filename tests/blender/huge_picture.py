# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A picture that nobody could hold, in a few bytes."""

import struct


def huge_png(width: int, height: int) -> bytes:
    """Return the head of a PNG of that size, and nothing of its pixels."""
    head = struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + head + b"\0\0\0\0" + b"\0\0\0\0IEND"
