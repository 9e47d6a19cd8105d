# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the planner's process runs: a question a line in, an answer a line out, until nobody asks any more.

Plans need recipes, and recipes need torch, which the server never imports.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from limbeck_server.failures import failure_of

if TYPE_CHECKING:
    from limbeck.planning.choose import Plan

IDLE_S = 120.0
"""The libraries take a third of a gigabyte, so nobody keeps them for nothing."""


def main() -> None:
    """Answer until standard input ends, or is silent for long."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what libraries print is no answer
    while line := _next_line():
        answers.write(json.dumps(answer(line)) + "\n")
        answers.flush()


def answer(line: str) -> dict[str, Any]:
    """Plan one job: ``seconds``, ``memory_mb`` and ``profile``, or why it cannot be, as ``code`` and ``message``."""
    try:
        found, steps = plan_question(json.loads(line))
    except Exception as error:  # noqa: BLE001 - the process goes on, whatever a recipe's settings lead to
        failure = failure_of(error)
        return {"code": failure.code, "message": failure.message}
    prediction = found.prediction
    return {
        "seconds": round(prediction.seconds, 1),
        "memory_mb": round(prediction.device_mb or prediction.host_mb),
        "profile": found.profile.told(),
        "steps": steps,
    }


def plan_question(question: dict[str, Any]) -> tuple[Plan, int]:
    """Return the plan of what ``job.estimate`` asks about, and how many steps it is for.

    Raises:
        LimbeckError: whatever recipes, settings, models and memory are refused with.
    """
    from limbeck.config import override  # noqa: PLC0415 - these import torch
    from limbeck.devices import choose_device  # noqa: PLC0415
    from limbeck.generate import with_steps  # noqa: PLC0415
    from limbeck.models import require_models  # noqa: PLC0415
    from limbeck.planning.machine import plan_run  # noqa: PLC0415
    from limbeck.recipes import load_recipe  # noqa: PLC0415

    recipe = override(load_recipe(question["recipe"]), question.get("overrides", {}))
    recipe = with_steps(recipe, question["steps"]) if question.get("steps") else recipe
    device = choose_device(question.get("device", "auto"))
    prior = question.get("prior", "embedded")
    require_models(recipe, prior)
    return plan_run(recipe, prior, device, texture_size=1024), recipe.all_steps


def _next_line() -> str:
    """Wait for a question, but not forever."""
    idle = threading.Timer(IDLE_S, _leave)
    idle.daemon = True
    idle.start()
    line = sys.stdin.readline()
    idle.cancel()
    return line


def _leave() -> None:
    os._exit(0)


if __name__ == "__main__":
    main()
