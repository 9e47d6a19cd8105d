# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How large the models of a run are, by their configurations and the headers of their safetensors files.

No weight is read, and nothing here imports torch.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limbeck.errors import LimbeckError
from limbeck.priors.locating import role_folder

MAX_HEADER_BYTES = 100_000_000
"""As safetensors itself has it."""
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")
HALF = ".fp16"


@dataclass(frozen=True)
class Part:
    """A part of a model that is loaded by itself.

    Attributes:
        name: its folder.
        elements: how many numbers its weights are.
        file_bytes: of the files that they are read from.
    """

    name: str
    elements: int
    file_bytes: int


@dataclass(frozen=True)
class Model:
    """What plays a role.

    Attributes:
        parts: in the order in which they are loaded.
        unet, vae, controlnet: configurations; empty where there is none, or none whose cost is worth a thought.
        side: height and width of its latents.
        pixels_per_latent: of its autoencoder; 1 where it works on pixels.
        views_per_group: how many views its UNet must see at once.
        is_large: whether a GPU takes its weights in half precision.
        lets_text_go: whether its text encoders are so large that they leave the memory once the prompt is read.
    """

    parts: tuple[Part, ...]
    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    controlnet: Mapping[str, Any]
    side: int
    pixels_per_latent: int
    views_per_group: int = 1
    is_large: bool = False
    lets_text_go: bool = False

    @property
    def image_size(self) -> int:
        """Pixels per side of its images."""
        return self.side * self.pixels_per_latent

    @property
    def unet_elements(self) -> int:
        """How many numbers the UNet's weights are."""
        return sum(part.elements for part in self.parts if part.name == "unet")


def read_model(source: str, role: str, large_bytes: int) -> Model:
    """Return what plays a role in runs on a prior, as ``models.load_cast`` would load it.

    Args:
        source: ``embedded``, a folder, an alias of the catalogue or a model id.
        role: as ``locating.role_folder`` has them.
        large_bytes: of files, from which on weights are worth half a precision.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE, E_MODEL_ROLE.
    """
    if role == "pair_classifier":
        folder = role_folder(source, role)
        return Model(tuple(_parts(folder, [".", "vit"])), {}, {}, {}, 0, 1)
    base = role if role in ("multi_view", "novel_view") else "text_to_image"
    folder = role_folder(source, base)
    unet, vae = read_config(folder / "unet"), read_config(folder / "vae", is_needed=False)
    last = ["image_encoder"] if base == "novel_view" else list(TEXT_ENCODERS)
    parts = [*_parts(folder, ["unet", "camera_proj"]), *_parts(folder, ["vae", *last])]
    adapter = role_folder(source, role) if role in ("image_prompt", "structure") else None
    controlnet = read_config(_controlnet_folder(adapter)) if adapter and role == "structure" else {}
    if adapter is not None:
        parts += _adapter_parts(adapter, role)
    group = 4 if role == "multi_view" else 1
    is_large = sum(part.file_bytes for part in parts) >= large_bytes
    lets_text_go = sum(part.file_bytes for part in parts if part.name in TEXT_ENCODERS) >= large_bytes
    side = unet.get("sample_size") or 64
    pixels = _pixels_per_latent(folder / "vae", vae)
    return Model(tuple(parts), unet, vae, controlnet, side, pixels, group, is_large, lets_text_go)


def read_config(folder: Path, *, is_needed: bool = True) -> dict[str, Any]:
    """Return a part's config.json; empty where the part is not needed and not there.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    path = folder / "config.json"
    if not is_needed and not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _incomplete(path, str(error).partition("\n")[0]) from error
    if not isinstance(config, dict):
        raise _incomplete(path, "it holds no object")
    return config


def count_elements(path: Path) -> int:
    """Return how many numbers a safetensors file holds, by its header alone.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    return sum(math.prod(shape) for shape in read_shapes(path).values())


def read_shapes(path: Path) -> dict[str, list[int]]:
    """Return the shapes of a safetensors file's weights by name.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > MAX_HEADER_BYTES:
                raise ValueError(f"its header would have {length} bytes")
            header = json.loads(file.read(length))
        return {name: [int(n) for n in entry["shape"]] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise _incomplete(path, str(error).partition("\n")[0]) from error


def _parts(folder: Path, names: Sequence[str]) -> list[Part]:
    return [_part(name, sorted((folder / name).glob("*.safetensors"))) for name in names if (folder / name).is_dir()]


def _part(name: str, files: Sequence[Path]) -> Part:
    """Return a part; where its weights are there in both precisions, the full ones are read."""
    full = [path for path in files if HALF not in path.name]
    chosen = full or files
    return Part(name, sum(map(count_elements, chosen)), sum(path.stat().st_size for path in chosen))


def _adapter_parts(adapter: Path, role: str) -> list[Part]:
    if role == "structure":
        return [_part("controlnet", sorted(_controlnet_folder(adapter).glob("*.safetensors")))]
    if adapter.is_file():  # one of several in a folder
        return [_part("adapter", [adapter]), *_parts(adapter.parent, ["image_encoder"])]
    folder = adapter / "models" if (adapter / "models").is_dir() else adapter
    return [_part("adapter", sorted(folder.glob("*.safetensors"))[:1]), *_parts(folder, ["image_encoder"])]


def _controlnet_folder(adapter: Path) -> Path:
    return adapter / "controlnet" if (adapter / "controlnet").is_dir() else adapter


def _pixels_per_latent(folder: Path, vae: Mapping[str, Any]) -> int:
    if not vae:
        return 1
    if vae.get("_class_name") == "PatchAutoencoder":
        shapes = read_shapes(folder / "diffusion_pytorch_model.safetensors")
        return shapes.get("encoder.weight", [1])[-1]
    return 2 ** (len(vae.get("block_out_channels") or (1,)) - 1)


def _incomplete(path: Path, why: str) -> LimbeckError:
    message = f"cannot read {path.name} in {path.parent.name!r}: {why}"
    return LimbeckError("E_MODEL_INCOMPLETE", message, "check the folder, or pull the model again: limbeck models pull")
