# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How often something may be done that others can provoke."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Allows so many a second, as many at once after a quiet second."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a full second."""
        self._per_s = self._left = per_s
        self._clock = clock
        self._at = clock()

    def take(self) -> bool:
        """Say whether it may be done now, and count it."""
        now = self._clock()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
