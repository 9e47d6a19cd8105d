# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How smooth Blender stays while a job streams. The table goes to standard output: pytest -s shows it."""

import json
from collections.abc import Iterator

import pytest

from blender.gui.conftest import Server
from blender.gui.desk import Blender
from blender.gui.steps import generate, is_over
from blender.synthetic_engine import SERVE

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]
ENGINE = "blender.gui.streaming_engine:streaming_engine"
SECONDS = 6.0
HANG_MS = 2000.0
"""Software rendering on a loaded machine takes long; this is far beyond any of it."""


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[Server]:
    running = Server(environment, (*SERVE[:-1], ENGINE))
    running.start()
    yield running
    running.stop()


def test_frames_go_on_while_meshes_of_any_size_stream(blender: Blender) -> None:
    table = {"idle": blender.call("frames.measure", seconds=SECONDS)}
    for triangles in (10_000, 50_000, 100_000):
        for kind in ("", ", remeshed"):
            prompt = f"{triangles} triangles{kind}"
            generate(blender, steps=400, prompt=prompt)
            table[prompt] = blender.call("frames.measure", seconds=SECONDS)
            blender.press("limbeck.cancel")
            blender.watch(is_over)
    for name, row in table.items():
        print(f"{name:28}", json.dumps(row))
    assert all(row["frame_ms"]["max"] < HANG_MS for row in table.values())
    assert all(row["pump_ms"]["max"] < HANG_MS for row in table.values())
    streamed = [row["triangles"] for name, row in table.items() if name != "idle"]
    assert all(count > 5_000 for count in streamed), streamed
    blender.quit()
