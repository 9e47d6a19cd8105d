# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One asset, one file, in the format that the user asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh, transform_positions
from limbeck.assets.ply import write_ply, write_splats
from limbeck.assets.wavefront import write_obj, write_packed_obj

AssetFormat = Literal["glb", "obj", "ply", "splats"]
UNPLACED = {"centre": [0.0, 0.0, 0.0], "radius": 1.0}
TEXTURED_FORMATS: tuple[AssetFormat, ...] = ("glb", "obj")


def write_asset(
    path: Path, mesh: Mesh, cloud: GaussianArrays, metadata: Mapping[str, Any], file_format: AssetFormat
) -> None:
    """Write an asset whole or not at all; GLB and OBJ hold the metadata, PLY has no place for it, nor for a texture.

    A GLB's origin is where ``metadata["pivot"]`` says (``gltf.encode_glb``), and the object stays where it is; an OBJ
    or PLY, which cannot say both, stands with its pivot in the world's origin, unless the artist gave it a place
    (``metadata["placement"]``). A textured OBJ comes with companions (``wavefront.companions``), and all of them in one
    file where ``path`` ends in .zip.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    pivot = metadata.get("pivot")
    if file_format == "glb":
        name = str(metadata.get("prompt", "Limbeck"))[:63]
        write_glb(path, mesh, name=name, metadata=metadata, pivot=None if pivot is None else tuple(pivot))
    elif file_format == "obj":
        write = write_packed_obj if path.suffix.lower() == ".zip" else write_obj
        write(path, _standing(mesh, metadata), metadata=metadata)
    elif file_format == "ply":
        write_ply(path, _standing(mesh, metadata))
    else:
        write_splats(path, cloud)


def _standing(mesh: Mesh, metadata: Mapping[str, Any]) -> Mesh:
    """Return the mesh with its pivot in the origin, where nobody said where it is to stand."""
    pivot, placement = metadata.get("pivot"), metadata.get("placement")
    if pivot is None or placement != UNPLACED:
        return mesh
    return transform_positions(mesh, lambda vertices: vertices - np.array(pivot, np.float32))
