# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C while a library calls back into Python, as a compiler does: Python would print it and go on."""

from __future__ import annotations

import _thread
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

REPEAT_AFTER_S = 0.05


@contextmanager
def interruptions_repeated() -> Iterator[None]:
    """Interrupt the main thread again, a moment later, whenever an interruption cannot be raised where it arrived."""
    previous = sys.unraisablehook

    def repeat(lost: Any) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            timer = threading.Timer(REPEAT_AFTER_S, _thread.interrupt_main)
            timer.daemon = True
            timer.start()
        else:
            previous(lost)

    sys.unraisablehook = repeat
    try:
        yield
    finally:
        sys.unraisablehook = previous
