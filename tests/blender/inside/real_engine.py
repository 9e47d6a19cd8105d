# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The whole line with the real engine: a prompt in Blender, score distillation in a worker, an asset in the scene."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import bpy  # isort: split

import pytest

from limbeck_protocol.connection import discover

from .conftest import stop_server, wait_until
from .scenario_job import assert_shows_vertex_colors, shape_of


@pytest.fixture
def real_server(own_folder: None) -> Iterator[None]:
    """Run ``limbeck serve`` as an artist would."""
    process = subprocess.Popen((sys.executable, "-m", "limbeck_server", "serve"))
    wait_until(lambda: discover() is not None)
    yield
    stop_server(process)


@pytest.mark.usefixtures("real_server")
def test_a_prompt_becomes_a_penguin(addon: Any) -> None:
    addon.pump_until(lambda: addon.session.link.status.text == "Ready", timeout_s=60)
    addon.request.steps = 40
    addon.generate("a blue penguin")
    shapes: set[bytes] = set()

    def is_over() -> bool:
        live = addon.live()
        if live is not None:
            shapes.add(shape_of(live))
        return addon.session.job is None

    addon.pump_until(is_over, timeout_s=180)
    assert addon.session.problem is None
    assert len(shapes) >= 2
    (asset,) = bpy.data.objects
    assert asset.name == "a blue penguin"
    assert 1000 < len(asset.data.polygons) <= 20_000
    assert_shows_vertex_colors(asset)
