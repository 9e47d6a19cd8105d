# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A message as frames: magic and major version, a JSON header, raw little-endian buffers that the header describes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from limbeck_protocol import MAJOR
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.ids import is_token
from limbeck_protocol.limits import MAX_BUFFER_BYTES, MAX_BUFFERS, MAX_FRAMES, MAX_HEADER_BYTES, MAX_HEADER_DEPTH
from limbeck_protocol.strict_json import dump_json, load_json_object
from limbeck_protocol.typed import from_plain, to_plain

MAGIC = b"LMB"
PREFIX = MAGIC + bytes([MAJOR])
DTYPES = ("<f4", "<f2", "<u4", "<i4", "<u2", "|u1")
MAX_DIMENSIONS = 8

Frame = bytes | bytearray | memoryview


@dataclass(frozen=True)
class BufferSpec:
    """One buffer in the header: name, dtype and shape."""

    n: str
    d: str
    s: tuple[int, ...]


@dataclass(frozen=True)
class Header:
    """The second frame. The names are the wire's.

    Attributes:
        t: type of the message, which says what the body is.
        id: of the message, chosen by its sender; a repeated request keeps it.
        re: id of the request that this answers.
        sid: session.
        job, att: job and attempt that it is about.
        seq: number within a stream of events or previews.
        ts: Unix seconds at the sender; informative, never compared.
        bufs: the frames that follow, in order.
    """

    t: str
    id: str = ""
    re: str | None = None
    sid: str | None = None
    job: str | None = None
    att: int | None = None
    seq: int | None = None
    ts: float | None = None
    body: dict[str, Any] = field(default_factory=dict)
    bufs: tuple[BufferSpec, ...] = ()


@dataclass(frozen=True)
class Packet:
    """A message in memory: the header's fields and the arrays by name, which may be read-only views of the frames."""

    header: Header
    arrays: Mapping[str, NDArray] = field(default_factory=dict)


def encode_packet(header: Header, arrays: Mapping[str, NDArray] | None = None) -> list[Frame]:
    """Return the frames of a message; those of arrays are views of them, which must not change until it is sent.

    Raises:
        ProtocolError: if it would exceed a limit of the wire.
    """
    arrays = arrays or {}
    specs = tuple(BufferSpec(name, array.dtype.str, array.shape) for name, array in arrays.items())
    _check_buffers(specs)
    encoded = dump_json(to_plain(header) | ({"bufs": to_plain(specs)} if specs else {}))
    if len(encoded) > MAX_HEADER_BYTES:
        message = f"expected a header of at most {MAX_HEADER_BYTES} bytes, got {len(encoded)}"
        raise ProtocolError("E_HEADER_TOO_LARGE", message, "send less text in one message")
    return [PREFIX, encoded, *(_bytes_of(array) for array in arrays.values())]


def decode_packet(frames: Sequence[Frame]) -> Packet:
    """Read a message; the arrays are views of its frames.

    Raises:
        ProtocolError: E_VERSION, E_FRAMING, E_TOO_MANY_FRAMES, E_HEADER_TOO_LARGE, E_DECODE, E_SCHEMA or E_FRAME_SIZE.
    """
    check_prefix(frames)
    if len(frames) < 2:
        raise ProtocolError("E_FRAMING", f"expected at least 2 frames, got {len(frames)}")
    if len(frames) > MAX_FRAMES:
        raise ProtocolError("E_TOO_MANY_FRAMES", f"expected at most {MAX_FRAMES} frames, got more")
    header: Header = from_plain(Header, load_json_object(frames[1], MAX_HEADER_BYTES, MAX_HEADER_DEPTH))
    _check_buffers(header.bufs)
    if len(header.bufs) != len(frames) - 2:
        raise ProtocolError("E_FRAMING", f"expected {len(header.bufs)} buffers, got {len(frames) - 2}")
    return Packet(header, {spec.n: _view(spec, frame) for spec, frame in zip(header.bufs, frames[2:], strict=True)})


def check_prefix(frames: Sequence[Frame]) -> None:
    """Check the first frame, which every version of the wire understands.

    Raises:
        ProtocolError: E_VERSION unless it is ours.
    """
    prefix = bytes(frames[0][:8]) if frames else b""
    if prefix != PREFIX:
        theirs = f"version {prefix[3]}" if len(prefix) == 4 and prefix[:3] == MAGIC else "something else"
        message = f"expected Limbeck's wire version {MAJOR} (supported: {MAJOR} to {MAJOR}), got {theirs}"
        raise ProtocolError("E_VERSION", message, "update Limbeck and its Blender extension to the same release")


def request_id_of(frames: Sequence[Frame]) -> str:
    """Return the id in a header that may be damaged otherwise, so that an error can answer it; or nothing."""
    try:
        request = load_json_object(frames[1], MAX_HEADER_BYTES, MAX_HEADER_DEPTH).get("id") if len(frames) > 1 else ""
    except ProtocolError:
        return ""
    return request if isinstance(request, str) and is_token(request) else ""


def _check_buffers(specs: Sequence[BufferSpec]) -> None:
    if len(specs) > MAX_BUFFERS:
        raise ProtocolError("E_TOO_MANY_FRAMES", f"expected at most {MAX_BUFFERS} buffers, got {len(specs)}")
    if len({spec.n for spec in specs}) != len(specs):
        raise ProtocolError("E_SCHEMA", "expected buffers of different names", field="bufs")
    for spec in specs:
        if spec.d not in DTYPES:
            raise ProtocolError("E_SCHEMA", f"expected one of {' '.join(DTYPES)}, got {spec.d[:20]}", field="bufs.d")
        if len(spec.s) > MAX_DIMENSIONS or any(not 0 <= size <= MAX_BUFFER_BYTES for size in spec.s):
            raise ProtocolError("E_SCHEMA", f"expected up to {MAX_DIMENSIONS} sizes within the limit", field="bufs.s")
        if _size_bytes(spec) > MAX_BUFFER_BYTES:
            message = f"expected a buffer of at most {MAX_BUFFER_BYTES} bytes, got {_size_bytes(spec)}"
            raise ProtocolError("E_FRAME_SIZE", message, "send it in parts", field=spec.n[:64])


def _bytes_of(array: NDArray) -> Frame:
    is_plain = array.flags.c_contiguous and array.size > 0  # memoryview cannot cast what is empty
    return array.data.cast("B") if is_plain else array.tobytes()


def _size_bytes(spec: BufferSpec) -> int:
    return math.prod(spec.s) * int(spec.d[-1])


def _view(spec: BufferSpec, frame: Frame) -> NDArray:
    if len(frame) != _size_bytes(spec):
        message = f"expected {_size_bytes(spec)} bytes for {spec.n[:64]}, got {len(frame)}"
        raise ProtocolError("E_FRAME_SIZE", message, field=spec.n[:64])
    return np.frombuffer(frame, spec.d).reshape(spec.s)
