# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What ``--image REF`` names: a picture, or a JSON file that says by which camera each of its pictures was seen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from limbeck.pictures import Rgba, cut_out, read_picture
from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.job import Blob, Reference, blob_of
from limbeck_protocol.limits import MAX_BLOB_BYTES, MAX_REFERENCES
from limbeck_protocol.rig import Camera
from limbeck_protocol.transforms import camera_of
from limbeck_protocol.typed import from_plain

SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".webp")
"""Tried on a frame's ``file_path``, which some exporters write without."""
MAX_WEIGHT = 1e6
REMEDY = "see --image in docs/commands.md"


def references_from(text: str) -> tuple[Reference, ...]:
    """Return the references that one ``--image`` names, every picture checked.

    Args:
        text: a picture's path; ``FILE.json``, or ``FILE.json#N`` for the N-th of its frames alone, from 0.

    Raises:
        JobError: E_FILE, E_SCHEMA, E_TOO_LARGE.
        LimbeckError: E_IMAGE, E_IMAGE_EMPTY, E_IMAGE_BACKGROUND.
    """
    name, frame = _parted(text)
    path = Path(name)
    if path.suffix.lower() != ".json":
        return (Reference(_blob(_content(path), path)),)
    plain = _json(path)
    if "frames" not in plain:
        return (_single(plain, path),)
    frames = plain["frames"]
    if not isinstance(frames, list) or not frames or not all(isinstance(one, dict) for one in frames):
        raise JobError("E_SCHEMA", f"expected a list of frames in {path}", REMEDY, field="image")
    if frame is not None and frame >= len(frames):
        raise JobError("E_SCHEMA", f"expected a frame from 0 to {len(frames) - 1} of {path}, got {frame}", REMEDY)
    wanted = frames if frame is None else [frames[frame]]
    if len(wanted) > MAX_REFERENCES:
        message = f"expected at most {MAX_REFERENCES} frames in {path}, got {len(wanted)}"
        raise JobError("E_SCHEMA", message, f"name single frames as {path.name}#0, or leave some out", field="image")
    shared = {key: value for key, value in plain.items() if key != "frames"}
    return tuple(_framed({**shared, **one}, path) for one in wanted)


def _parted(text: str) -> tuple[str, int | None]:
    name, separator, number = text.rpartition("#")
    if separator and name.lower().endswith(".json") and re.fullmatch("[0-9]{1,9}", number):
        return name, int(number)
    return text, None


def _json(path: Path) -> dict[str, Any]:
    try:
        plain = json.loads(_bytes(path))
    except (ValueError, RecursionError) as error:
        raise JobError("E_SCHEMA", f"expected JSON in {path}, got {error}", REMEDY, field="image") from error
    if not isinstance(plain, dict):
        raise JobError("E_SCHEMA", f"expected a JSON object in {path}", REMEDY, field="image")
    return plain


def _framed(fields: Mapping[str, Any], path: Path) -> Reference:
    """Return a frame of a transforms.json."""
    picture = _picture_path(fields.get("file_path"), path)
    content = _content(picture)
    height, width = read_picture(content, str(picture)).shape[:2]
    try:
        camera = camera_of({key: value for key, value in fields.items() if key != "weight"}, (width, height))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        message = f"expected transform_matrix and intrinsics for {picture.name} in {path}, got {error!r}"
        raise JobError("E_SCHEMA", message, REMEDY, field="image") from error
    return _reference(content, picture, camera, fields, path)


def _single(plain: Mapping[str, Any], path: Path) -> Reference:
    """Return the one reference of a file as the job description has it, its image by path."""
    picture = _picture_path(plain.get("image"), path)
    camera = None
    if plain.get("camera") is not None:
        try:
            camera = from_plain(Camera, plain["camera"])
        except ProtocolError as error:
            message = f"{error.message}, in the camera of {path}"
            raise JobError(error.code, message, error.remedy, field="image") from error
    return _reference(_content(picture), picture, camera, plain, path)


def _reference(
    content: bytes, picture: Path, camera: Camera | None, fields: Mapping[str, Any], path: Path
) -> Reference:
    weight, use = fields.get("weight", 1.0), fields.get("use", "prompt" if camera is None else "both")
    is_weight = isinstance(weight, int | float) and not isinstance(weight, bool) and abs(weight) <= MAX_WEIGHT
    if not is_weight or use not in ("prompt", "photometric", "both"):
        message = f"expected a weight, and a use of prompt, photometric or both, in {path}, got {weight!r}, {use!r}"
        raise JobError("E_SCHEMA", message[:400], REMEDY, field="image")
    return Reference(_blob(content, picture), camera, float(weight), use)


def _blob(content: bytes, path: Path) -> Blob:
    """Return a picture's blob; a suffix that no picture has is left out, as the content says what it is."""
    suffix = path.suffix.lower()
    return blob_of(content, suffix if suffix in SUFFIXES else "")


def _picture_path(named: Any, path: Path) -> Path:
    """Return the picture that a JSON file names, relative to itself; one without suffix may have any."""
    if not isinstance(named, str) or not named or "\0" in named:
        raise JobError("E_SCHEMA", f"expected the path of a picture in {path}, got {named!r}"[:400], REMEDY)
    base = path.parent / named
    return next((found for suffix in SUFFIXES if (found := base.with_name(base.name + suffix)).is_file()), base)


def _content(path: Path) -> bytes:
    """Return a picture's bytes, once it is clear that an object can be cut out of it."""
    content = _bytes(path)
    pixels: Rgba = read_picture(content, str(path))
    cut_out(pixels, str(path))
    return content


def _bytes(path: Path) -> bytes:
    """Read a file that is not larger than a blob may be."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BLOB_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"could not read {path}: {reason}"
        raise JobError("E_FILE", message, "check the path and its permissions", field="image") from error
    if len(content) > MAX_BLOB_BYTES:
        message = f"expected at most {MAX_BLOB_BYTES >> 20} MiB in {path}, got more"
        raise JobError("E_TOO_LARGE", message, "scale the picture down", field="image")
    return content
