# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One asset, one file, in the format that the user asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from limbeck.assets.cloud import GaussianArrays
from limbeck.assets.gltf import write_glb
from limbeck.assets.mesh import Mesh
from limbeck.assets.ply import write_ply, write_splats
from limbeck.assets.wavefront import write_obj

AssetFormat = Literal["glb", "obj", "ply", "splats"]
TEXTURED_FORMATS: tuple[AssetFormat, ...] = ("glb", "obj")


def write_asset(
    path: Path, mesh: Mesh, cloud: GaussianArrays, metadata: Mapping[str, Any], file_format: AssetFormat
) -> None:
    """Write an asset whole or not at all; GLB and OBJ hold the metadata, PLY has no place for it, nor for a texture.

    A GLB's origin is where ``metadata["pivot"]`` says (``gltf.encode_glb``). A textured OBJ comes with two companions
    (``wavefront.companions``).

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    if file_format == "glb":
        name, pivot = str(metadata.get("prompt", "Limbeck"))[:63], metadata.get("pivot")
        write_glb(path, mesh, name=name, metadata=metadata, pivot=None if pivot is None else tuple(pivot))
    elif file_format == "obj":
        write_obj(path, mesh, metadata=metadata)
    elif file_format == "ply":
        write_ply(path, mesh)
    else:
        write_splats(path, cloud)
