# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Which errors mean that memory ran out; every allocator says it in its own way."""

from __future__ import annotations

SAID = ("can't allocate memory", "out of memory", "not enough memory")
"""By PyTorch's CPU allocator on Linux and macOS, by Metal's and CUDA's libraries, and by its allocator on Windows."""


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that memory ran out: numpy's, PyTorch's for a GPU, and its CPU allocator's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(said in str(error) for said in SAID)


def first_line(error: BaseException) -> str:
    """Return the beginning of what an error says, for messages."""
    text = str(error).strip().partition("\n")[0].partition(" GPU ")[0]
    return text.removesuffix(".")[:160] or type(error).__name__
