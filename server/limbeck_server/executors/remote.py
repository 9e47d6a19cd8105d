# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Workers that were started on other machines, by people or by a cluster, and have dialled home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

GIVEN_UP = 1


@dataclass
class RemoteWorker:
    """A process that this machine can only speak to; once given up it counts as ended, whether or not it obeys.

    Attributes:
        pid: on its own machine.
        say_end: tells the process to end itself at once.
    """

    pid: int
    say_end: Callable[[], None]
    exit_code: int | None = None

    def terminate(self) -> None:
        """Do nothing: it has been told to stop, and there is no gentler way."""

    def kill(self) -> None:
        """Tell it to end, and give it up: what it says from now on is not heard."""
        if self.exit_code is None:
            self.exit_code = GIVEN_UP
            self.say_end()
