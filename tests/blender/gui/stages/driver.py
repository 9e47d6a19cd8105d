# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Runs inside a windowed Blender: a timer that calls, one after another, the functions that the test outside names.

A call is a file with a function's name and arguments; its answer is another. A function that yields goes on at the next
tick, after the screen has been drawn. What hangs is ended by the deadline, with the stack of the main thread.
"""

import faulthandler
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Generator
from pathlib import Path
from types import GeneratorType
from typing import Any

import bpy

FOLDER = Path(os.environ["LIMBECK_GUI_FOLDER"])
CALLS = FOLDER / f"calls-{os.environ['LIMBECK_GUI_BLENDER']}"
TIMEOUT_S = float(os.environ["LIMBECK_GUI_TIMEOUT_S"])
IDLE_INTERVAL_S = 0.05
BUSY_INTERVAL_S = 0.02


class Driver:
    """At most one call at a time."""

    def __init__(self) -> None:
        self._number = 0
        self._running: Generator[None, None, Any] | None = None
        self._deadline = time.monotonic() + TIMEOUT_S

    def tick(self) -> float:
        """Go on with the call; an exception here would silently end the timer, so it ends Blender."""
        try:
            if time.monotonic() > self._deadline:
                faulthandler.dump_traceback()
                raise TimeoutError(f"Blender has run for {TIMEOUT_S} s")
            self._step()
        except BaseException:  # noqa: BLE001 (whatever it is, the test outside must see it)
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)
        return BUSY_INTERVAL_S if self._running is not None else IDLE_INTERVAL_S

    def _step(self) -> None:
        try:
            value = self._next_value()
        except StopIteration as end:
            self._answer({"value": end.value})
        except Exception:  # noqa: BLE001 (the same)
            self._answer({"error": traceback.format_exc()})
        else:
            if value is not None:
                self._answer(value)

    def _next_value(self) -> dict[str, Any] | None:
        """Return an answer, or None while there is none; StopIteration has that of a generator."""
        if self._running is not None:
            next(self._running)
            return None
        file = CALLS / f"{self._number}.call"
        if not file.exists():
            return None
        call = json.loads(file.read_text())
        module, _, function = call["name"].rpartition(".")
        value = getattr(importlib.import_module(module), function)(**call["arguments"])
        if not isinstance(value, GeneratorType):
            return {"value": value}
        self._running = value
        return None

    def _answer(self, answer: dict[str, Any]) -> None:
        part = CALLS / f"{self._number}.part"
        part.write_text(json.dumps(answer))
        part.rename(CALLS / f"{self._number}.answer")
        self._running = None
        self._number += 1


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    bpy.context.preferences.view.show_splash = False
    bpy.context.preferences.system.viewport_aa = "OFF"
    bpy.context.preferences.use_preferences_save = False
    bpy.app.timers.register(Driver().tick, first_interval=0.5, persistent=True)
