# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Meshes on the wire: lossless, and checked before anyone sees them."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.mesh_codec import (
    MeshData,
    mesh_arrays,
    mesh_from_arrays,
    pack_mesh,
    packed_size_bytes,
    unpack_mesh,
)
from server.strategies import meshes
from server.synthetic_engine import grid

GRID = MeshData(*grid(3, 1.0))


def assert_same(a: MeshData, b: MeshData) -> None:
    for name in ("vertices", "faces", "colors"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@given(meshes())
def test_unpacking_inverts_packing(mesh: MeshData) -> None:
    counts, blob = pack_mesh(mesh)
    assert len(blob) == packed_size_bytes(**counts)
    assert_same(unpack_mesh(**counts, blob=blob), mesh)
    assert_same(mesh_from_arrays(mesh_arrays(mesh)), mesh)


@given(st.integers(-5, 2**40), st.integers(-5, 2**40), st.binary(max_size=400))
def test_arbitrary_bytes_raise_only_protocol_errors(vertices: int, faces: int, blob: bytes) -> None:
    with suppress(ProtocolError):
        unpack_mesh(vertices, faces, blob)


@pytest.mark.parametrize(
    "damage",
    [
        {"vertices": np.full((9, 3), np.nan, np.float32)},
        {"vertices": np.full((9, 3), np.inf, np.float32)},
        {"vertices": np.zeros((9, 2), np.float32)},
        {"faces": np.full((1, 3), 9, np.uint32)},
        {"colors": np.zeros((8, 4), np.uint8)},
    ],
)
def test_a_damaged_mesh_is_refused_at_both_ends(damage: dict) -> None:
    with pytest.raises(ProtocolError, match="E_MESH"):
        pack_mesh(replace(GRID, **damage))
    with pytest.raises(ProtocolError, match="E_MESH"):
        mesh_from_arrays({name: damage.get(name, getattr(GRID, name)) for name in ("vertices", "faces", "colors")})


def test_other_types_and_missing_arrays_are_refused() -> None:
    arrays = mesh_arrays(GRID)
    for damaged in ({"vertices": arrays["vertices"]}, arrays | {"faces": arrays["faces"].astype("<i4")}):
        with pytest.raises(ProtocolError, match="E_MESH"):
            mesh_from_arrays(damaged)
