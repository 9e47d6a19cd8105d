# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What only a window can show: the viewport as a reference with its camera, and the rig drawn in the viewport."""

import numpy as np
import pytest
from PIL import Image

from blender.gui.desk import Blender

pytestmark = [pytest.mark.gui, pytest.mark.timeout(0)]


def test_a_captured_viewport_shows_the_object_where_its_camera_says(blender: Blender) -> None:
    blender.call("references.show_a_cube", scale=[0.4, 0.6, 0.8], location=[0.2, 0.0, 0.1])
    file = blender.desk.folder / "viewport.png"
    found = blender.call("references.capture", file=str(file))
    assert found["outcome"] == ["FINISHED"]
    assert found["has_overlays"], "as the artist had them"
    with Image.open(file) as image:
        assert list(image.size) == found["size"]
        pixels = np.asarray(image)
    rows, columns = (pixels[..., 3] > 127).nonzero()
    seen = [(columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)]
    assert np.abs(np.array(seen) - [found["low"], found["high"]]).max() < 2.0
    inside = pixels[pixels[..., 3] == 255][:, :3].astype(float)
    assert inside[:, 0].mean() > 2 * inside[:, 1].mean(), "red, not grey, and no grid before it"
    assert inside[:, 0].mean() > 60, "as bright as the viewport, not linear"
    assert "orthographic" in blender.call("references.capture_orthographically")
    blender.quit()


def test_the_rig_is_drawn_while_it_is_shown(blender: Blender) -> None:
    blender.call("references.show_rig", source="PRESET", preset="TURNTABLE", count=8, rings=2, distance=2.0)
    blender.call("screen.pause", seconds=1.0)
    before = picture_of(blender, "rig-off")
    blender.call("references.show_rig", is_shown=True)
    assert blender.call("references.count_handlers") == 1
    blender.call("screen.pause", seconds=1.0)
    shown = picture_of(blender, "rig-on")
    assert orange(shown) > orange(before) + 200
    blender.call("references.show_rig", is_shown=False)
    assert blender.call("references.count_handlers") == 0
    blender.call("screen.pause", seconds=1.0)
    assert orange(picture_of(blender, "rig-off-again")) < orange(before) + 50
    blender.quit()


def picture_of(blender: Blender, name: str) -> np.ndarray:
    with Image.open(blender.desk.picture(name)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def orange(picture: np.ndarray) -> int:
    """Return how many pixels of the viewport have about the colour of the rig's lines."""
    red, green, blue = picture[:, :900].transpose(2, 0, 1)
    return int(((red > 150) & (red - green > 40) & (green - blue > 40)).sum())
