# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An animated picture of an asset turning once."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.contact_sheet import draw_views
from limbeck.assets.mesh import Mesh
from limbeck.errors import LimbeckError

FRAMES = 36
FRAME_MS = 70
FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def turntable_format(path: Path) -> str:
    """Return Pillow's name of the format that a path's suffix means.

    Raises:
        LimbeckError: E_FORMAT for any other suffix.
    """
    found = FORMATS.get(path.suffix.lower())
    if found is None:
        raise LimbeckError("E_FORMAT", f"expected a turntable as .gif or .webp, got {path.name!r}", "rename it")
    return found


def save_turntable(mesh: Mesh, path: Path, *, size: int = 256) -> None:
    """Write one turn of the mesh, ``size`` pixels wide, whole or not at all.

    Raises:
        LimbeckError: E_FORMAT, E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    file_format = turntable_format(path)
    first, *others = [Image.fromarray(frame) for frame in draw_views(mesh, views=FRAMES, size=size)]
    encoded = io.BytesIO()
    first.save(encoded, file_format, save_all=True, append_images=others, duration=FRAME_MS, loop=0)
    write_bytes_atomically(path, encoded.getvalue())
