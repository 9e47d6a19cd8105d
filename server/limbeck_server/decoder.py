# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Decoding pictures in a process of its own, which may crash, hang or run out of memory in our place."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from types import TracebackType
from typing import Self

import numpy as np

from limbeck.errors import LimbeckError
from limbeck.pictures import Rgba
from limbeck_protocol.limits import MAX_BLOB_BYTES
from limbeck_server.decoder_process import LENGTH

TIMEOUT_S = 10.0
"""For one picture; the largest that is allowed takes about a second."""
START_TIMEOUT_S = 60.0
"""For the first, which waits for the child to import its libraries on a machine that may be busy."""
REMEDY = "open it in an image editor and save it again as PNG"


class PictureDecoder:
    """One child, started at the first picture and again after one that killed it. Use as a context manager."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        """Start nothing yet."""
        self._timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._has_answered = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The child's process, if there is one."""
        return self._child.pid if self._child is not None else None

    def read(self, content: bytes, name: str) -> Rgba:
        """Return a picture's pixels as ``limbeck.pictures.read_picture`` does.

        Args:
            content: of the file.
            name: of the file, for messages.

        Raises:
            LimbeckError: E_IMAGE if it is no PNG, JPEG or WEBP, damaged, too large, or too much for the child.
        """
        if len(content) > MAX_BLOB_BYTES:
            raise _refusal(name, f"{len(content)} bytes", "scale it down")
        child, is_late = self._started(), threading.Event()

        def stop() -> None:
            is_late.set()
            child.kill()

        timer = threading.Timer(self._timeout_s if self._has_answered else START_TIMEOUT_S, stop)
        timer.start()
        try:
            return self._ask(child, content, name)
        except (OSError, ValueError, EOFError) as error:
            self.close()
            why = (
                f"one that takes longer than {self._timeout_s:g} s" if is_late.is_set() else "one that ends the decoder"
            )
            raise _refusal(name, why, REMEDY) from error
        finally:
            timer.cancel()

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    _close(pipe)
            self._child.wait()
            self._child, self._has_answered = None, False

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self.close()
            command = [sys.executable, "-P", "-m", "limbeck_server.decoder_process"]
            self._child = subprocess.Popen(  # noqa: S603 - our own module
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._child

    def _ask(self, child: subprocess.Popen[bytes], content: bytes, name: str) -> Rgba:
        if child.stdin is None or child.stdout is None:
            raise EOFError
        child.stdin.write(LENGTH.pack(len(content)) + content)
        child.stdin.flush()
        head = json.loads(_exactly(child, *LENGTH.unpack(_exactly(child, LENGTH.size))))
        self._has_answered = True
        if "code" in head:
            raise LimbeckError(head["code"], head["message"].replace("the picture", name), head["remedy"])
        height, width, channels = head["shape"]
        return np.frombuffer(_exactly(child, height * width * channels), np.uint8).reshape(height, width, channels)


def _exactly(child: subprocess.Popen[bytes], length: int) -> bytes:
    found = child.stdout.read(length) if child.stdout is not None else b""
    if len(found) != length:
        raise EOFError
    return found


def _close(pipe: object) -> None:
    try:
        pipe.close()  # pyright: ignore[reportAttributeAccessIssue]
    except OSError:
        return  # what it still held for a child that is gone


def _refusal(name: str, got: str, remedy: str) -> LimbeckError:
    return LimbeckError("E_IMAGE", f"expected a whole PNG, JPEG or WEBP picture in {name}, got {got}", remedy)
