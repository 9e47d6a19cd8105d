# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Fetching a job's asset to a file whose name says what it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from limbeck_protocol import blocking
from limbeck_protocol.client import Client, Downloaded
from limbeck_protocol.errors import ProtocolError
from limbeck_protocol.frames import Packet
from limbeck_protocol.messages import BlobOpen, BlobOpened
from limbeck_server.packed_obj import unpack_obj

TRANSFER_TIMEOUT_S = 3600.0
NAMES = {".glb": (".glb",), ".obj": (".obj",), ".ply": (".ply",), ".zip": (".obj", ".zip")}
"""How a file may be named by what the server has; a .zip holds an OBJ with its texture, and is unpacked as an .obj."""


@dataclass(frozen=True)
class AssetOpened:
    """What the server has as a job's asset: a file of this suffix."""

    request: str
    suffix: str


def download(client: Client, job: str, output: Path) -> Path:
    """Fetch a job's asset; an OBJ's companions come to lie beside it.

    Raises:
        ProtocolError: E_FORMAT before anything is fetched if the file's name says another format; E_NOT_FOUND, E_FILE,
            E_DISK_FULL and their kin; nothing half-written is left.
    """
    require_its_name(job, _suffix_of(client, job), output)
    client.fetch(job, output)
    blocking.expect(client, Downloaded, TRANSFER_TIMEOUT_S)
    unpack_obj(output)
    return output


def _suffix_of(client: Client, job: str) -> str:
    def opened(request: str, answer: BlobOpened, _packet: Packet) -> Any:
        return AssetOpened(request, answer.suffix.lower())

    client.ask(BlobOpen(job, "asset"), opened, BlobOpened)
    return blocking.expect(client, cast(Any, AssetOpened)).suffix


def require_its_name(job: str, suffix: str, output: Path) -> None:
    """Refuse a name that says another format than the server's file has; one that says none is taken.

    Raises:
        ProtocolError: E_FORMAT.
    """
    given = output.suffix.lower()
    expected = NAMES.get(suffix, ())
    if not expected or given not in NAMES or given in expected:
        return
    what = "OBJ" if ".obj" in expected else suffix.removeprefix(".").upper()
    message = f"expected a file name that ends in {' or '.join(expected)} for the {what} of job {job}, got {output}"
    remedy = f"run: limbeck get {job} -o {output.with_suffix(expected[0]).name}"
    raise ProtocolError("E_FORMAT", message, remedy, field="output")
