# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What several scenarios do or claim."""

from typing import Any

from blender.gui.desk import Blender

PROMPT = "a blue bird"


def ask(blender: Blender, *, steps: int, prompt: str = PROMPT) -> None:
    """Fill in what to make."""
    blender.call("screen.set_value", path="scene.limbeck.prompt", value=prompt)
    blender.call("screen.set_value", path="scene.limbeck.steps", value=steps)


def generate(blender: Blender, *, steps: int, prompt: str = PROMPT) -> str:
    """Ask for a job and click; return the job's id once its mesh forms."""
    ask(blender, steps=steps, prompt=prompt)
    blender.press("limbeck.generate")
    return blender.watch(is_forming)["job"]["id"]


def is_forming(state: dict[str, Any]) -> bool:
    return bool(state["live"]) and state["job"] is not None and state["job"]["stage"] == "optimising"


def is_half_done(state: dict[str, Any]) -> bool:
    return is_forming(state) and 2 * state["job"]["step"] >= state["job"]["steps"]


def is_over(state: dict[str, Any]) -> bool:
    return state["job"] is None


def assert_one_asset(state: dict[str, Any], prompt: str = PROMPT) -> None:
    """The job left one asset, no live mesh and no error."""
    assert (state["problem"], state["live"], state["assets"]) == (None, [], [prompt])
