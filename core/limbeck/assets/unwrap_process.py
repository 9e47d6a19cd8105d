# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The child process of ``unwrap``: arrays on standard input, arrays on standard output, both as .npz.

xatlas ends its process with a segmentation fault on some meshes (a finely divided sphere is one), and holds the
interpreter's lock while it works; here it can do neither any harm. Run as a file, this imports nothing of Limbeck.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import xatlas
from numpy import ndarray


def main() -> None:
    """Read ``vertices``, ``faces``, ``parts``, ``size`` and ``padding``; write ``uvs``, ``uv_faces`` and ``extent``."""
    with np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False) as given:
        arrays = dict(given)
    answer = io.BytesIO()
    np.savez(answer, **unwrap_parts(**arrays))
    sys.stdout.buffer.write(answer.getvalue())


def unwrap_parts(vertices: ndarray, faces: ndarray, parts: ndarray, size: ndarray, padding: ndarray) -> dict[str, Any]:
    """Return uvs [U, 2] in units of the atlas's sides, uv_faces [F, 3], and the atlas's extent (width, height).

    Args:
        vertices: float32 [V, 3].
        faces: uint32 [F, 3].
        parts: the number from 0 of the part that each face belongs to [F]; no chart crosses from one to another.
        size: of the picture in texels.
        padding: texels between charts.
    """
    atlas = xatlas.Atlas()
    members = [np.flatnonzero(parts == part) for part in np.unique(parts)]
    for member in members:
        used, corners = np.unique(faces[member], return_inverse=True)
        atlas.add_mesh(vertices[used], corners.reshape(-1, 3).astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    packing.resolution, packing.padding, packing.bilinear = int(size), int(padding), True
    # xatlas turns charts by swapping their axes, which mirrors them.
    charts.fix_winding, packing.rotate_charts = True, False
    atlas.generate(charts, packing)
    uvs: list[ndarray] = []
    uv_faces = np.zeros((len(faces), 3), np.int32)
    count = 0
    for number, member in enumerate(members):
        _, corners, part_uvs = atlas.get_mesh(number)
        uv_faces[member] = corners.reshape(-1, 3).astype(np.int64) + count
        uvs.append(part_uvs)
        count += len(part_uvs)
    return {"uvs": np.concatenate(uvs), "uv_faces": uv_faces, "extent": np.array([atlas.width, atlas.height])}


if __name__ == "__main__":
    main()
