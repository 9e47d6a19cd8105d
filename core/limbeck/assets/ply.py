# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""PLY, binary little endian: meshes with vertex colours, and 3D Gaussians named as in the 3DGS reference code.

Frame: Limbeck's own (z up, front -Y) in both, which is what importers assume of PLY by default; nothing is turned.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy import ndarray

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.assets.cloud import GaussianArrays, unit_quats
from limbeck.assets.mesh import Mesh

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): 3DGS stores colour = 1/2 + SH_C0 f_dc."""
TYPE_NAMES = {"f4": "float", "u1": "uchar"}


def write_ply(path: Path, mesh: Mesh) -> None:
    """Write a mesh with sRGB vertex colours and opacity as bytes, whole or not at all.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    write_bytes_atomically(path, encode_ply(mesh))


def write_splats(path: Path, cloud: GaussianArrays) -> None:
    """Write Gaussians as a 3DGS PLY (no view dependence), whole or not at all.

    Raises:
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    write_bytes_atomically(path, encode_splats(cloud))


def encode_ply(mesh: Mesh) -> bytes:
    """Return the bytes of a mesh as PLY."""
    names = ("x", "y", "z", "red", "green", "blue", "alpha")
    vertices = np.zeros(len(mesh.vertices), [(name, "<f4" if name in "xyz" else "u1") for name in names])
    for name, column in zip(names, [*mesh.vertices.T, *mesh.colors_srgb.T], strict=True):
        vertices[name] = column
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("indices", "<i4", 3)])
    faces["count"] = 3
    faces["indices"] = mesh.faces
    face_lines = [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    return _header(vertices, face_lines) + vertices.tobytes() + faces.tobytes()


def encode_splats(cloud: GaussianArrays) -> bytes:
    """Return the bytes of a 3DGS PLY: logarithms of scales, logits of opacities, quaternions wxyz, f_dc colours."""
    # The reference reader has no infinite logits: opacities stay a hair inside 0..1.
    opacities = np.clip(cloud.opacities.astype(np.float64), 1e-6, 1 - 1e-6)
    columns = {
        "x y z": cloud.means,
        "nx ny nz": np.zeros_like(cloud.means),
        "f_dc_0 f_dc_1 f_dc_2": (cloud.colors_srgb - 0.5) / SH_C0,
        "opacity": np.log(opacities / (1 - opacities))[:, None],
        "scale_0 scale_1 scale_2": np.log(np.maximum(cloud.scales, 1e-12)),
        "rot_0 rot_1 rot_2 rot_3": unit_quats(cloud.quats),
    }
    names = " ".join(columns).split()
    splats = np.concatenate(list(columns.values()), axis=1).astype("<f4")
    records = np.ascontiguousarray(splats).view([(name, "<f4") for name in names])
    return _header(records, []) + records.tobytes()


def _header(vertices: ndarray, more_lines: list[str]) -> bytes:
    fields = vertices.dtype.fields or {}
    properties = [f"property {TYPE_NAMES[kind.str[1:]]} {name}" for name, (kind, *_) in fields.items()]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment Limbeck: right-handed, z up, front -y",
        f"element vertex {len(vertices)}",
        *properties,
        *more_lines,
        "end_header",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")
