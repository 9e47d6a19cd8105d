# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Lay a mesh's surface out flat: charts cut, flattened and packed by xatlas, in a process of its own."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int32, Int64
from numpy import ndarray

from limbeck.assets.mesh import Mesh
from limbeck.errors import LimbeckError

PADDING_TEXELS = 4
"""Between charts; bilinear reads of one chart then never reach another, and mipmaps stay apart for two levels."""
CUTS = (1, 2, 4)
"""In how many slabs along each axis a mesh is cut, one attempt after the other."""
TIMEOUT_S = 900
CHILD = Path(__file__).with_name("unwrap_process.py")


@dataclass(frozen=True)
class Unwrapping:
    """Where each corner of each face lies in a square picture; conventions as in ``Texture``.

    Attributes:
        uvs: in 0 to 1, v down.
        uv_faces: indices into ``uvs``, one row for each face of the mesh, in order.
    """

    uvs: Float32[ndarray, "uvs 2"]
    uv_faces: Int32[ndarray, "faces 3"]


def unwrap(mesh: Mesh, size: int) -> Unwrapping:
    """Cut the surface into charts and pack them without overlap into a picture of ``size`` pixels.

    Charts are flattened at one scale, so that texels are equally dense everywhere, and none is mirrored. The same mesh
    gives the same bytes. Where xatlas crashes, as it does on some meshes, it gets the mesh again in smaller pieces.

    Args:
        mesh: not empty; faces look outwards.
        size: of the picture; the room between charts is a few of its pixels.

    Raises:
        LimbeckError: E_UNWRAP if no attempt succeeds.
    """
    failure = ""
    for cuts in CUTS:
        answer = _run_child(mesh, _slabs(mesh, cuts), size)
        if isinstance(answer, Unwrapping):
            return answer
        failure = answer
    message = f"xatlas could not unwrap a surface of {len(mesh.faces)} faces ({failure})"
    raise LimbeckError("E_UNWRAP", message, "ask for another number of --faces, or for --texture-size 0")


def _slabs(mesh: Mesh, cuts: int) -> Int64[ndarray, " faces"]:
    """Return for each face the number of the box its centre lies in, of ``cuts`` along each axis."""
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    low, high = centres.min(axis=0), centres.max(axis=0)
    cells = np.minimum((centres - low) / np.maximum(high - low, 1e-12) * cuts, cuts - 1).astype(np.int64)
    return cells @ np.array([1, cuts, cuts * cuts])


def _run_child(mesh: Mesh, parts: Int64[ndarray, " faces"], size: int) -> Unwrapping | str:
    """Return the child's answer, or why there is none."""
    given = io.BytesIO()
    np.savez(
        given,
        vertices=mesh.vertices,
        faces=mesh.faces.astype(np.uint32),
        parts=parts,
        size=np.array(size),
        padding=np.array(PADDING_TEXELS),
    )
    # -P: the child must not import its neighbours in this folder for modules of the same name elsewhere.
    command = [sys.executable, "-P", str(CHILD)]
    try:
        done = subprocess.run(  # noqa: S603 - our own file
            command, input=given.getvalue(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer after {TIMEOUT_S} s"
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit status {done.returncode}"
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as answer:
        uvs, uv_faces, extent = answer["uvs"], answer["uv_faces"], answer["extent"]
    # The atlas is about as large as asked for and seldom square. Its v points up, as its charts are not mirrored.
    uvs = uvs * (extent / extent.max())
    uvs[:, 1] = 1.0 - uvs[:, 1]
    return Unwrapping(np.clip(uvs, 0, 1).astype(np.float32), uv_faces)
