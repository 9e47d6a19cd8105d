# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Progress on standard error: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_LINE_INTERVAL_S = 5.0


class ProgressReport:
    """Shows stages and their steps; use as a context manager."""

    def __init__(self) -> None:
        """Choose between a bar and plain lines by what standard error is."""
        self._console = Console(stderr=True, highlight=False)
        self._bar = _make_bar(self._console) if self._console.is_terminal else None
        self._task: TaskID | None = None
        self._stage = ""
        self._last_line_at = float("-inf")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, stage: str, step: int, steps: int, message: str = "") -> None:
        """Show where a stage is; ``steps`` 0 means that it has no count."""
        if self._bar is not None:
            self._update_bar(self._bar, stage, step, steps, message)
        else:
            self._print_line(stage, step, steps, message)
        self._stage = stage

    def warn(self, code: str, message: str) -> None:
        """Show a warning on a line of its own."""
        self._console.print(f"warning {code}: {message}", style="yellow", markup=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Show a line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def _update_bar(self, bar: Progress, stage: str, step: int, steps: int, message: str) -> None:
        if stage != self._stage or self._task is None:
            if self._task is not None:
                bar.remove_task(self._task)
            self._task = bar.add_task(stage, total=steps or None)
        bar.update(self._task, completed=step, total=steps or None, description=f"{stage} {message}".strip())

    def _print_line(self, stage: str, step: int, steps: int, message: str) -> None:
        is_last = steps > 0 and step == steps
        now = time.monotonic()
        if stage == self._stage and not is_last and now - self._last_line_at < PLAIN_LINE_INTERVAL_S:
            return
        self._last_line_at = now
        count = f" {step}/{steps}" if steps else ""
        print(f"{stage}{count}{' ' + message if message else ''}", file=sys.stderr, flush=True)


def _make_bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
