# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Hypothesis strategies for everything that goes over the wire, derived from the dataclasses themselves."""

import dataclasses
import types
import typing
from typing import Any, Literal, Union

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from limbeck_protocol.frames import DTYPES, Header
from limbeck_protocol.job import Blob, CameraRig, Init, JobSpec, Reference
from limbeck_protocol.mesh_codec import MeshData
from limbeck_protocol.rig import Camera, Orbit

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
tokens = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,20}\Z")
numbers = st.floats(-1e6, 1e6)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers | text
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3))
objects = st.dictionaries(text, values, max_size=4)
buffers = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.sampled_from(DTYPES).flatmap(
        lambda dtype: hnp.arrays(np.dtype(dtype), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    ),
    max_size=4,
)
headers = st.builds(
    Header,
    t=text,
    id=tokens,
    re=st.none() | tokens,
    job=st.none() | tokens,
    att=st.none() | st.integers(0, 100),
    seq=st.none() | st.integers(0, 2**40),
    body=objects,
)


def of_type(expected: Any) -> st.SearchStrategy:
    """Return values that a wire dataclass's field of this type may hold."""
    origin, arguments = typing.get_origin(expected), typing.get_args(expected)
    if dataclasses.is_dataclass(expected):
        hints = typing.get_type_hints(expected)
        return st.builds(expected, **{field.name: of_type(hints[field.name]) for field in dataclasses.fields(expected)})
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(argument) for argument in arguments])
    if origin is tuple and arguments[-1] is Ellipsis:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if expected is dict or origin is dict:
        return objects
    plain = {
        str: text,
        int: st.integers(-(2**53), 2**53),
        float: numbers,
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    return plain[expected]


@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    """Cameras with random rotations."""
    rotation, _ = np.linalg.qr(np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3))
    rotation[:, 0] *= np.linalg.det(rotation)
    rows = [(*map(float, row), draw(numbers)) for row in rotation]
    focal = draw(st.floats(1.0, 1e4))
    k = ((focal, 0.0, 64.0), (0.0, focal, 64.0), (0.0, 0.0, 1.0))
    c2w: Any = (*rows, (0.0, 0.0, 0.0, 1.0))
    return Camera(c2w, k, draw(st.integers(1, 4096)), 128, draw(st.floats(0.01, 10)), draw(st.floats(0, 90)))


blobs = st.builds(
    Blob,
    sha256=st.binary(min_size=32, max_size=32).map(bytes.hex),
    size_bytes=st.integers(1, 2**20),
    suffix=st.just(".png"),
)
ranges = st.tuples(st.floats(1, 40), st.floats(40, 80))
orbits = st.builds(Orbit, elevation_deg=st.none() | ranges, fov_y_deg=st.none() | ranges)
rigs = st.builds(CameraRig, orbit=orbits) | st.builds(
    CameraRig, cameras=st.lists(cameras(), min_size=1, max_size=3).map(tuple)
)
jobs = st.builds(
    JobSpec,
    prompt=text.filter(str.strip),
    negative_prompt=text,
    recipe=st.sampled_from(["limbeck", "dreamfusion"]) | objects,
    overrides=st.dictionaries(st.sampled_from(["variate", "terms.1.noise", "energies"]), values, max_size=2),
    references=st.lists(st.builds(Reference, image=blobs, weight=st.floats(0, 10)), max_size=2).map(tuple),
    rig=st.none() | rigs,
    init=st.just(Init()) | st.builds(Init, kind=st.sampled_from(["mesh", "points"]), blob=blobs),
    prior=st.sampled_from(["embedded", "sd15", "owner/name", "/models/sd15", "C:\\models\\sd15"]),
    seed=st.integers(0, 2**63 - 1),
    steps=st.none() | st.integers(1, 100_000),
    faces=st.integers(100, 2_000_000),
    texture_size=st.sampled_from([0, 16, 1024, 8192]),
    format=st.sampled_from(["glb", "obj", "ply", "splats"]),
    device=st.sampled_from(["auto", "cpu", "cuda", "mps"]),
)


@st.composite
def meshes(draw: st.DrawFn) -> MeshData:
    """Meshes that a client accepts."""
    count = draw(st.integers(0, 30))
    vertices = draw(hnp.arrays(np.float32, (count, 3), elements=st.floats(-1e6, 1e6, width=32)))
    faces = draw(
        hnp.arrays(
            np.uint32, (draw(st.integers(0, 20)) if count else 0, 3), elements=st.integers(0, count - 1 if count else 0)
        )
    )
    return MeshData(vertices, faces, draw(hnp.arrays(np.uint8, (count, 4))))
