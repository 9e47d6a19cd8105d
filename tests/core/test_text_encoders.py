# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Large text encoders are in memory only while they read, and what they have read is never read again."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from limbeck.assets import atomic
from limbeck.config import override
from limbeck.errors import LimbeckError
from limbeck.events import Warned
from limbeck.generate import GenerationSettings, generate, with_steps
from limbeck.priors import transient_text
from limbeck.priors.embedding_cache import EmbeddingCache, embedding_key, embeddings_folder, encoder_identity
from limbeck.priors.files import load_weights
from limbeck.priors.text_encoder import load_whole
from limbeck.priors.transient_text import TransientTextEncoder, load_text_encoder
from limbeck.recipes import load_recipe
from tiny_models import CPU, write_pixel_host, write_sdxl, write_text_to_image

PROMPTS = ["a blue penguin", "a red mug", ""]
WRITERS: dict[str, Callable[[Path], Path]] = {
    "clip": write_text_to_image,
    "two of clip": write_sdxl,
    "t5": write_pixel_host,
}


@dataclass
class Loads:
    """Which text encoders were loaded, and which of them are still in memory."""

    models: list[weakref.ref] = field(default_factory=list)

    @property
    def alive(self) -> int:
        return sum(model() is not None for model in self.models)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Loads:
    """Take every text encoder for a large one, and watch them come and go."""
    seen = Loads()

    def watched(kind: type, *arguments, **options):
        model = load_weights(kind, *arguments, **options)
        if kind in (CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel):
            seen.models.append(weakref.ref(model))
        return model

    monkeypatch.setattr("limbeck.priors.files.load_weights", watched)
    monkeypatch.setattr(transient_text, "LARGE_BYTES", 0)
    monkeypatch.setenv("LIMBECK_CACHE_DIR", str(tmp_path / "cache"))
    return seen


@pytest.fixture(params=list(WRITERS))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return WRITERS[request.param](tmp_path / "model")


def test_prompt_is_read_once_and_the_encoder_let_go(folder: Path, loads: Loads) -> None:
    whole = load_whole(folder, CPU)
    expected = torch.cat([whole([prompt]) for prompt in PROMPTS])
    before = len(loads.models)
    reader = load_text_encoder(folder, CPU)
    assert len(loads.models) == before
    assert torch.equal(reader(PROMPTS), expected)
    loaded = len(loads.models) - before
    assert loaded == (2 if (folder / "text_encoder_2").is_dir() else 1)
    assert sum(model() is not None for model in loads.models[before:]) == 0
    again = load_text_encoder(folder, CPU)
    assert torch.equal(again(PROMPTS[::-1]), expected.flip(0))
    assert torch.equal(again(["a red mug", "a red mug"]), expected[[1, 1]])
    assert len(loads.models) == before + loaded
    assert again.fit("a blue penguin", " front view") == whole.fit("a blue penguin", " front view")


def test_what_was_read_before_changes_no_bit(folder: Path, loads: Loads, tmp_path: Path) -> None:
    reader = load_text_encoder(folder, CPU)
    at_once = reader(PROMPTS)
    for path in embeddings_folder().iterdir():
        path.unlink()
    reader(PROMPTS[1:2])
    assert torch.equal(load_text_encoder(folder, CPU)(PROMPTS), at_once)


def test_second_run_with_the_same_words_loads_no_text_encoder(loads: Loads, tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "text_to_image").parent
    first = run(folder, "a blue penguin")
    assert len(loads.models) == 1
    assert loads.alive == 0
    assert run(folder, "a blue penguin") == first
    assert len(loads.models) == 1
    run(folder, "a red mug")
    assert len(loads.models) == 2


def run(folder: Path, prompt: str) -> tuple[list[str], bytes]:
    """Return the warnings of a short run, and its mesh."""
    recipe = override(with_steps(load_recipe("dreamfusion"), 2), {"views": 2, "render_size": 16, "gaussians.count": 50})
    settings = GenerationSettings(
        prompt, recipe, prior=str(folder), texture_size=0, faces=200, previews=0, device="cpu"
    )
    *events, last = generate(settings)
    return [event.code for event in events if isinstance(event, Warned)], last.asset.mesh.vertices.tobytes()


def test_small_encoder_stays_loaded_and_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_CACHE_DIR", str(tmp_path / "cache"))
    reader = load_text_encoder(write_text_to_image(tmp_path / "model"), CPU)
    reader(PROMPTS)
    assert not isinstance(reader, TransientTextEncoder)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("damage", ["cut off", "a flipped bit", "no safetensors", "another shape"])
def test_damaged_file_is_made_again(loads: Loads, tmp_path: Path, damage: str) -> None:
    reader = load_text_encoder(write_text_to_image(tmp_path / "model"), CPU)
    expected = reader(PROMPTS[:1])
    (path,) = embeddings_folder().iterdir()
    whole = path.read_bytes()
    damaged = {
        "cut off": whole[:-100],
        "a flipped bit": whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:],
        "no safetensors": b"{",
        "another shape": whole.replace(b"[77,96]", b"[96,77]").replace(b'"embedding"', b'"embeddinh"'),
    }[damage]
    path.write_bytes(damaged)
    assert torch.equal(reader(PROMPTS[:1]), expected)
    assert len(loads.models) == 2
    assert path.read_bytes() == whole


def test_cache_that_cannot_be_written_is_a_warning_of_the_run(loads: Loads, tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "text_to_image").parent
    (tmp_path / "cache").write_bytes(b"")
    warnings, _ = run(folder, "a blue penguin")
    assert "W_EMBEDDINGS_NOT_KEPT" in warnings


@pytest.mark.parametrize("where", ["file in its place", "full disk"])
def test_embedding_that_cannot_be_kept_is_used_all_the_same(
    loads: Loads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    reader = load_text_encoder(write_text_to_image(tmp_path / "model"), CPU)
    if where == "file in its place":
        (tmp_path / "cache").write_bytes(b"")
    else:
        monkeypatch.setattr(atomic, "_write_flushed", full_disk)
    assert torch.isfinite(reader(PROMPTS)).all()
    assert ("no room" if where == "full disk" else "cannot make") in reader.trouble
    assert loads.alive == 0


def full_disk(path: Path, content: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_folder_stays_within_its_cap_and_loses_what_was_not_asked_for_longest(tmp_path: Path) -> None:
    embedding = torch.rand(77, 96)
    cache = EmbeddingCache(tmp_path, cap_bytes=4 * (embedding.nbytes + 1000))
    for number in range(4):
        cache.write(str(number), embedding + number)
        os.utime(tmp_path / f"{number}.safetensors", ns=(number, number))
    assert cache.read("0") is not None
    cache.write("4", embedding)
    assert [cache.read(str(number)) is not None for number in range(5)] == [True, False, True, True, True]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= cache.cap_bytes


def test_whatever_decides_how_a_prompt_is_read_changes_its_key(tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "model")
    identity = encoder_identity(folder, torch.float32, CPU)
    assert encoder_identity(folder, torch.float32, CPU) == identity
    others = {
        encoder_identity(folder, torch.bfloat16, CPU),
        encoder_identity(folder, torch.float32, torch.device("cuda")),
    }
    for name in ("text_encoder/config.json", "tokenizer/merges.txt", "text_encoder/model.safetensors"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b" ")
        others.add(encoder_identity(folder, torch.float32, CPU))
    assert len(others | {identity}) == 6
    assert embedding_key(identity, "a red mug") != embedding_key(identity, "a red  mug")


def test_large_weights_are_known_by_size_time_and_samples(tmp_path: Path) -> None:
    weights = tmp_path / "text_encoder" / "model.safetensors"
    weights.parent.mkdir()
    content = bytearray(9_000_000)
    identities = set()
    for changed, time_ns in ((None, 0), (0, 0), (len(content) - 1, 0), (4_500_000, 1)):
        if changed is not None:
            content[changed] ^= 1
        weights.write_bytes(content)
        os.utime(weights, ns=(time_ns, time_ns))
        identities.add(encoder_identity(tmp_path, torch.float32, CPU))
    assert len(identities) == 4


def test_encoder_that_is_cut_off_is_refused_when_it_is_needed(loads: Loads, tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "model")
    weights = folder / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(LimbeckError, match="text encoder") as refused:
        load_text_encoder(folder, CPU)(PROMPTS)
    assert refused.value.code == "E_MODEL_INCOMPLETE"
