# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Wavefront OBJ with vertex colours as the common extension ``v x y z r g b`` (sRGB, 0 to 1).

Frame: y up with the front at +Z, as glTF and as importers assume of OBJ by default, so (x, y, z) becomes (x, z, -y).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import limbeck
from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.gltf import y_up
from limbeck.assets.mesh import Mesh, vertex_normals


def write_obj(path: Path, mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None) -> None:
    """Write an OBJ whole or not at all; the metadata becomes one comment of JSON.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    write_bytes_atomically(path, encode_obj(mesh, name=name, metadata=metadata))


def encode_obj(mesh: Mesh, *, name: str = "Limbeck", metadata: Mapping[str, object] | None = None) -> bytes:
    """Return the text of an OBJ as UTF-8; positions have nine significant digits, enough to restore every float32."""
    lines = [f"# Limbeck {limbeck.__version__}", "# " + json.dumps(dict(metadata or {}), sort_keys=True)]
    lines.append("o " + "_".join(name.split()))
    positions = np.concatenate([y_up(mesh.vertices), mesh.colors_srgb[:, :3] / 255.0], axis=1)
    lines += [
        f"v {x:.9g} {y:.9g} {z:.9g} {red:.4f} {green:.4f} {blue:.4f}"
        for x, y, z, red, green, blue in positions.tolist()
    ]
    normals = y_up(vertex_normals(mesh).astype(np.float32))
    lines += [f"vn {x:.5f} {y:.5f} {z:.5f}" for x, y, z in normals.tolist()]
    lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in (mesh.faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()
