# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Embeddings of prompts, kept on the disk: a prompt that was read once needs no text encoder again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import torch
import transformers
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from limbeck.assets.atomic import write_bytes_atomically
from limbeck.errors import LimbeckError

LAYOUT = 1
CAP_BYTES = 256_000_000
"""About 800 prompts of Stable Diffusion 2.1 at 0.3 MB, 200 of IF at 1.3 MB."""
SMALL_BYTES = 8_000_000
"""Files up to this size, such as tokenizers and configurations, are read as a whole to know them again."""
SAMPLES, SAMPLE_BYTES = 64, 4096
"""Of larger files: parts that are read, evenly spread, beside their size and time of change."""
PARTS = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2")


def embeddings_folder() -> Path:
    """Return where embeddings are kept: LIMBECK_CACHE_DIR, or the platform's cache folder."""
    root = os.environ.get("LIMBECK_CACHE_DIR") or platformdirs.user_cache_dir("limbeck", appauthor=False)
    return Path(root) / "embeddings"


@dataclass
class EmbeddingCache:
    """A folder of embeddings, one file each; those that were not asked for longest go first.

    Nothing here fails: what cannot be read is made again, what cannot be written is not kept.

    Attributes:
        folder: made when the first embedding is kept.
        cap_bytes: of all files together.
        trouble: why the last embedding could not be kept; "" if it was.
    """

    folder: Path
    cap_bytes: int = CAP_BYTES
    trouble: str = ""

    def read(self, key: str) -> Float[Tensor, "tokens width"] | None:
        """Return the embedding of a key, on the CPU, or None where there is none; a damaged file is removed."""
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:
            return None
        embedding = _decoded(content)
        with suppress(OSError):
            path.unlink() if embedding is None else os.utime(path)
        return embedding

    def write(self, key: str, embedding: Float[Tensor, "tokens width"]) -> None:
        """Keep an embedding, if that can be."""
        own = embedding.detach().cpu().contiguous()
        digest = torch.frombuffer(bytearray(_digest(own)), dtype=torch.uint8)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(self._path(key), save({"embedding": own, "sha256": digest}))
        except LimbeckError as error:
            self.trouble = error.message
        except OSError as error:
            self.trouble = f"cannot make {self.folder} ({error.strerror})"
        else:
            self.trouble = ""
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        """Remove files until they fit; other processes may do the same."""
        found = sorted(_changes(self.folder), reverse=True)
        total = 0
        for _, size, path in found:
            total += size
            if total > self.cap_bytes:
                with suppress(OSError):
                    path.unlink()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.safetensors"


def encoder_identity(folder: Path, dtype: torch.dtype, device: torch.device) -> str:
    """Return a name that changes with whatever decides how a model folder's text encoder reads a prompt.

    Args:
        folder: of the model; its text encoders and tokenizers count.
        dtype, device: in which type, and on which kind of device, it computes.
    """
    files = [
        (path.relative_to(folder).as_posix(), *_content_identity(path))
        for part in PARTS
        for path in sorted((folder / part).rglob("*"))
        if path.is_file()
    ]
    decides = [LAYOUT, torch.__version__, transformers.__version__, str(dtype), device.type, files]
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()


def embedding_key(identity: str, prompt: str) -> str:
    """Return the key of what an encoder makes of a prompt."""
    return hashlib.sha256(f"{identity}\n{prompt}".encode()).hexdigest()


def _content_identity(path: Path) -> tuple[int, int, str]:
    """Return size, time of change and a hash: of the whole of a small file, of samples of a large one."""
    found = path.stat()
    with path.open("rb") as file:
        if found.st_size <= SMALL_BYTES:
            return found.st_size, 0, hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for number in range(SAMPLES):
            file.seek((found.st_size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            digest.update(file.read(SAMPLE_BYTES))
    return found.st_size, found.st_mtime_ns, digest.hexdigest()


def _changes(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield time of change, size and path of each file, unfinished ones of processes that have ended included."""
    for path in folder.iterdir():
        with suppress(OSError):
            found = path.stat()
            yield found.st_mtime_ns, found.st_size, path


def _decoded(content: bytes) -> Tensor | None:
    """Return the embedding of a file, or None if it is damaged."""
    try:
        stored = load(content)
        embedding, digest = stored["embedding"], stored["sha256"]
    except (SafetensorError, KeyError):
        return None
    return embedding if embedding.ndim == 2 and digest.numpy().tobytes() == _digest(embedding) else None


def _digest(embedding: Tensor) -> bytes:
    return hashlib.sha256(embedding.contiguous().view(torch.uint8).numpy().tobytes()).digest()
