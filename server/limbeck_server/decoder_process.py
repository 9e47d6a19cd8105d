# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The child that decodes pictures of strangers, under limits that the operating system holds it to.

It reads ``length (8 bytes) + content`` from standard input again and again, and answers each with
``length (8 bytes) + JSON {"shape"} or {"code", "message", "remedy"}``, then the pixels.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import BinaryIO

from limbeck.errors import LimbeckError
from limbeck.pictures import Rgba, read_picture

LENGTH = struct.Struct("<Q")
MEMORY_BYTES = 400 << 20
"""Beyond what the interpreter and its libraries have mapped: the decoder's whole memory stays below half a gigabyte."""
CPU_S = 60
NO_MEMORY = {
    "code": "E_IMAGE",
    "message": "expected a picture that can be decoded in half a gigabyte of memory, got one that needs more",
    "remedy": "scale it; 512 to 1024 pixels a side are plenty",
}


def main() -> None:
    """Answer until standard input ends."""
    limit_this_process()
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (length := requests.read(LENGTH.size)) and len(length) == LENGTH.size:
        answer(requests.read(*LENGTH.unpack(length)), answers)
        answers.flush()


def answer(content: bytes, answers: BinaryIO) -> None:
    """Decode one picture and write the answer."""
    pixels: Rgba | None = None
    try:
        pixels = read_picture(content, "the picture")
        head = {"shape": pixels.shape}
    except LimbeckError as error:
        head = {"code": error.code, "message": error.message, "remedy": error.remedy}
    except MemoryError:
        head = NO_MEMORY
    encoded = json.dumps(head).encode()
    answers.write(LENGTH.pack(len(encoded)) + encoded)
    if pixels is not None:
        answers.write(pixels.tobytes())


def limit_this_process() -> None:
    """Take away memory, processor time and files, where the platform can."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        allowed = mapped + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))


if __name__ == "__main__":
    main()
