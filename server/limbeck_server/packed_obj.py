# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A server's textured OBJ is one ZIP; here it becomes the files that programs open, named after the one asked for."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from limbeck.assets.atomic import write_files_atomically
from limbeck_protocol.errors import ProtocolError

MAX_BYTES = 1 << 30
ENDINGS = re.compile(r"\.obj|\.mtl|(_[a-z_]{1,32})?\.png")
NAMED = re.compile(rb"^(mtllib|map_Kd|map_Bump|norm) .*$", re.MULTILINE)


def unpack_obj(path: Path) -> None:
    """Replace a ZIP that was downloaded as an .obj by the OBJ itself, its material and pictures beside it.

    Any other file stays as it is.

    Raises:
        ProtocolError: E_FILE if the ZIP is not of an OBJ.
        LimbeckError: E_DISK_FULL or E_OUTPUT_UNWRITABLE.
    """
    if path.suffix.lower() != ".obj" or not zipfile.is_zipfile(path):
        return
    contents = _read(path)
    stem = "_".join(path.stem.split()).encode()
    old = next(name for name in contents if name.endswith(".obj")).removesuffix(".obj")
    files: dict[Path, bytes] = {}
    for name, content in sorted(contents.items(), key=lambda item: item[0].endswith(".obj")):
        ending = name.removeprefix(old)
        target = path if ending == ".obj" else path.with_name(stem.decode() + ending)
        files[target] = content if ending.endswith(".png") else _renamed(content, old.encode(), stem)
    write_files_atomically(files)


def _read(path: Path) -> dict[str, bytes]:
    """Return the members of a ZIP that holds one OBJ and its companions, all of one stem and in no folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            stems = {entry.filename[:-4] for entry in entries if entry.filename.endswith(".obj")}
            stem = stems.pop() if len(stems) == 1 else ""
            is_known = [ENDINGS.fullmatch(entry.filename.removeprefix(stem)) is not None for entry in entries]
            if stem and all(is_known) and sum(entry.file_size for entry in entries) <= MAX_BYTES:
                return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ProtocolError("E_FILE", f"{path} is a damaged ZIP: {error}", "fetch the asset again") from error
    raise ProtocolError("E_FILE", f"expected one OBJ and its companions in {path}", "fetch it as a .zip and look")


def _renamed(content: bytes, old: bytes, stem: bytes) -> bytes:
    """Return an OBJ or MTL in which the files that it names begin with ``stem`` instead of ``old``."""
    return NAMED.sub(lambda line: line[0].replace(b" " + old, b" " + stem, 1), content)
