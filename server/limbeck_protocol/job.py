# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""One job, one description: used by the command line, the add-on, the client and the server alike."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, Literal

from limbeck_protocol.checks import require
from limbeck_protocol.errors import JobError, ProtocolError
from limbeck_protocol.limits import (
    MAX_BLOB_BYTES,
    MAX_CAMERAS,
    MAX_OVERRIDES,
    MAX_PROMPT_CHARACTERS,
    MAX_REFERENCES,
    MAX_SPEC_BYTES,
    MAX_SPEC_DEPTH,
)
from limbeck_protocol.rig import Camera, CameraRig
from limbeck_protocol.strict_json import dump_json, is_deeper_than
from limbeck_protocol.typed import from_plain, to_plain

JobState = Literal[
    "queued",
    "starting",
    "running",
    "finalizing",
    "pausing",
    "paused",
    "interrupted",
    "succeeded",
    "failed",
    "cancelled",
]
TERMINAL_STATES: frozenset[str] = frozenset({"succeeded", "failed", "cancelled"})
Format = Literal["glb", "obj", "ply", "splats"]
Device = Literal["auto", "cpu", "cuda", "mps"]

DEFAULT_RECIPE = "limbeck"
"""The core's default; the protocol cannot import it, so a test holds the two together."""

RECIPE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
PRIOR_ALIAS = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?(\+[a-z0-9][a-z0-9._-]{0,63}){0,4}\Z"
)
"""An alias or a model id, with aliases that play its roles instead behind plus signs."""
OVERRIDE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z0-9_]{1,64}){0,15}\Z")
SHA256 = re.compile(r"[0-9a-f]{64}\Z")


@dataclass(frozen=True)
class Blob:
    """Bytes named by their SHA-256. The description carries the name; the content travels apart and is filled in again.

    Attributes:
        sha256: 64 lower-case hexadecimal digits.
        size_bytes: 1 to MAX_BLOB_BYTES.
        suffix: how the file's name ended, such as ``.png``; a hint, never part of a path.
        data: the content where it is at hand; not part of the description.
    """

    sha256: str
    size_bytes: int
    suffix: str = ""
    data: bytes | None = field(default=None, compare=False, repr=False, metadata={"local": True})

    def __post_init__(self) -> None:
        require(SHA256.match(self.sha256) is not None, "sha256", "64 hexadecimal digits", self.sha256)
        require(0 < self.size_bytes <= MAX_BLOB_BYTES, "size_bytes", f"1 to {MAX_BLOB_BYTES} bytes", self.size_bytes)
        require(re.match(r"(\.[a-z0-9]{1,8})?\Z", self.suffix) is not None, "suffix", "such as .png", self.suffix)


def blob_of(data: bytes, suffix: str = "") -> Blob:
    """Return a blob that holds the content.

    Raises:
        JobError: E_SCHEMA if there is no content, or more than MAX_BLOB_BYTES.
    """
    return Blob(hashlib.sha256(data).hexdigest(), len(data), suffix.lower(), data)


@dataclass(frozen=True)
class Reference:
    """A reference image (PNG, JPEG or WEBP, alpha kept); with a camera it is also a photometric target there."""

    image: Blob
    camera: Camera | None = None
    weight: float = 1.0
    use: Literal["prompt", "photometric", "both"] = "prompt"

    def __post_init__(self) -> None:
        require(0.0 <= self.weight <= 1e6, "weight", "0 to 1e6", self.weight)
        has_camera = self.camera is not None
        require(self.use == "prompt" or has_camera, "use", "a camera for a photometric reference", "none")


@dataclass(frozen=True)
class Init:
    """What the representation starts from: a sphere, or a mesh or points given as a file's content."""

    kind: Literal["sphere", "mesh", "points"] = "sphere"
    blob: Blob | None = None

    def __post_init__(self) -> None:
        expected = "no file" if self.kind == "sphere" else "a file"
        require((self.blob is None) == (self.kind == "sphere"), "blob", f"{expected} for {self.kind}", self.blob)


@dataclass(frozen=True)
class JobSpec:
    """All that decides an asset. Equal descriptions have equal ``spec_hash``.

    Attributes:
        prompt: 1 to 1,000 characters after stripping.
        recipe: a recipe's name, or a whole recipe object as ``limbeck recipes show NAME --json`` prints it.
        overrides: dotted recipe field to value, as ``--set`` gives them.
        rig: where to look from; None is the recipe's own rig.
        prior: ``embedded``, a catalogue alias, or the absolute path of a model folder on the server's machine.
        steps: None is the recipe's own number.
        texture_size: pixels along an edge, a power of two; 0 keeps vertex colours only.
        device: where the server should compute.
    """

    prompt: str
    negative_prompt: str = ""
    recipe: str | dict[str, Any] = DEFAULT_RECIPE
    overrides: dict[str, Any] = field(default_factory=dict)
    references: tuple[Reference, ...] = ()
    rig: CameraRig | None = None
    init: Init = Init()
    lock_geometry: bool = False
    prior: str = "embedded"
    seed: int = 0
    steps: int | None = None
    faces: int = 20_000
    texture_size: int = 1024
    format: Format = "glb"
    device: Device = "auto"

    def __post_init__(self) -> None:
        _check_prompts(self.prompt, self.negative_prompt)
        _check_recipe(self.recipe)
        _check_overrides(self.overrides)
        _check_prior(self.prior)
        _check_numbers(self)
        require(self.format in ("glb", "obj", "ply", "splats"), "format", "glb, obj, ply or splats", self.format)
        require(self.device in ("auto", "cpu", "cuda", "mps"), "device", "auto, cpu, cuda or mps", self.device)
        require(len(self.references) <= MAX_REFERENCES, "references", f"at most {MAX_REFERENCES}", len(self.references))
        cameras = len(self.rig.cameras) if self.rig else 0
        require(cameras <= MAX_CAMERAS, "rig.cameras", f"at most {MAX_CAMERAS} cameras", cameras)
        has_geometry = not self.lock_geometry or self.init.kind == "mesh"
        require(has_geometry, "lock_geometry", "a mesh as init for locked geometry", self.init.kind)

    @property
    def recipe_name(self) -> str:
        """The recipe's name, or what its object calls itself."""
        return self.recipe if isinstance(self.recipe, str) else str(self.recipe.get("name", "custom"))[:64]


def job_to_dict(job: JobSpec) -> dict[str, Any]:
    """Return the description as JSON values, without the blobs' contents."""
    return to_plain(job)


def job_from_dict(plain: Any) -> JobSpec:
    """Read a description; unknown fields are ignored.

    Raises:
        JobError: naming the field and what was expected of it.
    """
    if is_deeper_than(plain, MAX_SPEC_DEPTH):
        raise JobError("E_SCHEMA", f"expected at most {MAX_SPEC_DEPTH} levels of nesting", "flatten the recipe")
    try:
        return from_plain(JobSpec, plain)
    except JobError:
        raise
    except ProtocolError as error:
        raise JobError(error.code, error.message, error.remedy, field=error.field) from error


def job_to_json(job: JobSpec) -> bytes:
    """Return the description as canonical UTF-8 JSON.

    Raises:
        JobError: E_TOO_LARGE if it exceeds MAX_SPEC_BYTES.
    """
    if is_deeper_than(job.recipe, MAX_SPEC_DEPTH) or is_deeper_than(job.overrides, MAX_SPEC_DEPTH):
        raise JobError("E_SCHEMA", f"expected at most {MAX_SPEC_DEPTH} levels of nesting", "flatten the recipe")
    encoded = dump_json(job_to_dict(job), sort_keys=True)
    if len(encoded) > MAX_SPEC_BYTES:
        message = f"expected a job description of at most {MAX_SPEC_BYTES} bytes, got {len(encoded)}"
        raise JobError("E_TOO_LARGE", message, "use fewer cameras or a smaller recipe")
    return encoded


def spec_hash(job: JobSpec) -> str:
    """Return the SHA-256 of the canonical JSON in hexadecimal: equal for equal descriptions, on every machine."""
    normal = job_from_dict(job_to_dict(job))  # so that 1 and 1.0 in a float field hash alike
    return hashlib.sha256(job_to_json(normal)).hexdigest()


def job_blobs(job: JobSpec) -> tuple[Blob, ...]:
    """Return every blob that the description names, each once."""
    blobs = [reference.image for reference in job.references]
    blobs += [job.init.blob] if job.init.blob else []
    return tuple({blob.sha256: blob for blob in blobs}.values())


def _check_prompts(prompt: str, negative_prompt: str) -> None:
    if not prompt.strip():
        raise JobError("E_PROMPT_EMPTY", "expected a prompt, got nothing", "say what to make", field="prompt")
    for name, text in (("prompt", prompt), ("negative_prompt", negative_prompt)):
        if len(text) > MAX_PROMPT_CHARACTERS:
            message = f"expected at most {MAX_PROMPT_CHARACTERS} characters, got {len(text)}"
            raise JobError("E_PROMPT_TOO_LONG", message, "shorten the prompt", field=name)
        is_unicode = not any("\ud800" <= character <= "\udfff" for character in text)
        require(is_unicode and "\0" not in text, name, "Unicode text", "an unpaired surrogate or NUL")


def _check_recipe(recipe: str | dict[str, Any]) -> None:
    if isinstance(recipe, str):
        expected = "a recipe's name (a-z, 0-9, _ and -) or a recipe object"
        require(RECIPE_NAME.match(recipe) is not None, "recipe", expected, recipe)


def _check_overrides(overrides: dict[str, Any]) -> None:
    require(len(overrides) <= MAX_OVERRIDES, "overrides", f"at most {MAX_OVERRIDES}", len(overrides))
    for key in overrides:
        require(OVERRIDE_KEY.match(key) is not None, "overrides", "keys such as terms.1.variate", key)


def _check_prior(prior: str) -> None:
    is_folder = len(prior) <= 1024 and "\0" not in prior and is_absolute_path(prior)
    expected = "embedded, a catalogue alias or an absolute folder"
    require(is_folder or PRIOR_ALIAS.match(prior) is not None, "prior", expected, prior)


def is_absolute_path(path: str) -> bool:
    """Say whether a prior names a folder, of whichever platform."""
    return PurePosixPath(path).is_absolute() or PureWindowsPath(path).is_absolute()


def _check_numbers(job: JobSpec) -> None:
    require(0 <= job.seed < 2**63, "seed", "0 to 2^63 - 1", job.seed)
    require(job.steps is None or 1 <= job.steps <= 100_000, "steps", "1 to 100000", job.steps)
    require(100 <= job.faces <= 2_000_000, "faces", "100 to 2000000", job.faces)
    size = job.texture_size
    is_texture_size = size == 0 or (16 <= size <= 8192 and size & (size - 1) == 0)
    require(is_texture_size, "texture_size", "a power of two, 16 to 8192, or 0", size)
