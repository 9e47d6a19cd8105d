# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream's original checkpoint becomes a model folder that gives the same eps, and nothing in it is ever run."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from core.test_mvdream import ORIGINAL_CONFIG, original_names, placed, unet_of
from limbeck.errors import LimbeckError
from limbeck.priors import converting
from limbeck.priors.converting import convert_mvdream
from limbeck.priors.loading import load_prior
from limbeck.priors.multiview import join_views
from limbeck.priors.prior import Cond
from tiny_models import CPU, WIDTH, write_text_to_image

CONFIG: dict[str, Any] = {**ORIGINAL_CONFIG, "context_dim": WIDTH}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_to_image(tmp_path_factory.mktemp("base") / "sd")


@pytest.fixture(scope="module")
def unet() -> Any:
    torch.manual_seed(0)
    return unet_of(CONFIG).eval()


@pytest.fixture
def weights(unet: Any, base: Path) -> dict[str, Tensor]:
    """Return a whole checkpoint, its frozen parts in half precision."""
    names = placed(original_names(unet.state_dict(), 1))
    vae, text = (next((base / part).glob("*.safetensors")) for part in ("vae", "text_encoder"))
    token = next(value for name, value in load_file(text).items() if name.endswith("token_embedding.weight"))
    return {
        **{f"model.diffusion_model.{name}": value for name, value in names.items()},
        "first_stage_model.encoder.conv_in.weight": load_file(vae)["encoder.conv_in.weight"].half(),
        "cond_stage_model.model.token_embedding.weight": token.half(),
        "betas": torch.zeros(1000),
    }


def convert(file: Path, folder: Path, base: Path, **changes: Any) -> None:
    convert_mvdream(file, folder, str(base), original=CONFIG, **changes)


def refused(file: Path, tmp_path: Path, base: Path) -> LimbeckError:
    with pytest.raises(LimbeckError) as caught:
        convert(file, tmp_path / "out", base)
    assert caught.value.remedy
    assert not list(tmp_path.glob("*out*"))
    return caught.value


@pytest.mark.parametrize("kind", ["pt", "state_dict", "safetensors"])
def test_converted_checkpoint_gives_the_same_eps(
    unet: Any, weights: dict[str, Tensor], base: Path, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / ("mvdream.safetensors" if kind == "safetensors" else "mvdream.pt")
    if kind == "safetensors":
        save_file(weights, file)
    else:
        torch.save({"state_dict": weights, "global_step": 3} if kind == "state_dict" else weights, file)
    told: list[tuple[int, int]] = []
    convert(file, tmp_path / "out", base, progress=lambda done, steps, _: told.append((done, steps)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name, "out"]
    prior = load_prior(str(tmp_path / "out"), "multi_view", CPU)
    generator = torch.Generator().manual_seed(1)
    xt, camera = torch.randn(4, 4, 8, 8, generator=generator), torch.randn(4, 16, generator=generator)
    t, text = torch.full((4,), 500), prior.encode_text(["a mug"]).expand(4, -1, -1)
    join_views(unet, 4)
    with torch.no_grad():
        answer = unet(xt, t, text, class_labels=camera, return_dict=False)[0]
    assert torch.equal(prior.eps(xt, t, Cond(text, camera)), prior.schedule.eps(answer, xt, t))


class Bomb:
    """Would write a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_code_in_a_checkpoint_is_refused_and_not_run(weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    file = tmp_path / "mvdream.pt"
    torch.save({"state_dict": weights, "hyper_parameters": Bomb(tmp_path / "ran")}, file)
    assert refused(file, tmp_path, base).code == "E_MODEL_UNSAFE"
    assert not (tmp_path / "ran").exists()


def test_what_is_no_checkpoint_is_said(weights: dict[str, Tensor], base: Path, tmp_path: Path) -> None:
    assert refused(tmp_path / "nothing.pt", tmp_path, base).code == "E_FILE"
    assert refused(tmp_path, tmp_path, base).code == "E_FILE"
    file = tmp_path / "mvdream.pt"
    torch.save(weights, file)
    contents = {"cut off": file.read_bytes()[:-1000], "a text": b"hello", "empty": b""}
    for content in contents.values():
        file.write_bytes(content)
        error = refused(file, tmp_path, base)
        assert error.code == "E_MODEL_INCOMPLETE"
        assert "expected a checkpoint" in error.message
    torch.save(weights, file, _use_new_zipfile_serialization=False)
    assert "no zip archive" in refused(file, tmp_path, base).message
    torch.save([1, 2], file)
    assert "no weights" in refused(file, tmp_path, base).message
    (tmp_path / "x.safetensors").write_bytes(b"\x08")
    assert refused(tmp_path / "x.safetensors", tmp_path, base).code == "E_MODEL_INCOMPLETE"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("time_embed.0.weight", "lacks 1 of its weights: time_embedding.linear_1.weight"),
        ("out.2.bias", "conv_out.bias"),
        ("camera_embed", "lacks camera_embed.0.weight"),
        ("another width", "of other shapes: down_blocks.0.attentions.0"),
        ("left over", "too many"),
    ],
)
def test_another_architecture_names_the_first_weights(
    weights: dict[str, Tensor], base: Path, tmp_path: Path, damage: str, words: str
) -> None:
    prefix = "model.diffusion_model."
    if damage == "another width":
        changed = {name: value[:, :16] for name, value in weights.items() if ".attn2.to_k." in name}
        weights = weights | {name: value.contiguous() for name, value in changed.items()}
    elif damage == "left over":
        weights[f"{prefix}input_blocks.1.1.norm.weight"] = torch.zeros(3)
    else:
        weights = {name: value for name, value in weights.items() if not name.startswith(f"{prefix}{damage}")}
    torch.save(weights, tmp_path / "mvdream.pt")
    error = refused(tmp_path / "mvdream.pt", tmp_path, base)
    assert error.code == "E_MODEL_INCOMPLETE"
    assert "another architecture" in error.message
    assert words in error.message


@pytest.mark.parametrize("part", ["vae", "text_encoder"])
def test_base_that_it_was_not_trained_from_is_refused(
    weights: dict[str, Tensor], base: Path, tmp_path: Path, part: str
) -> None:
    name = next(name for name, (of, _) in converting.FROZEN.items() if of == part)
    weights[name] = weights[name] * 1.01
    torch.save(weights, tmp_path / "mvdream.pt")
    assert f"the checkpoint's {part} is not that of" in refused(tmp_path / "mvdream.pt", tmp_path, base).message


def test_folder_that_is_there_and_a_full_disk_are_refused_before_anything_is_written(
    weights: dict[str, Tensor], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mvdream.pt"
    torch.save(weights, file)
    for folder in (base, tmp_path / "missing" / "out"):
        with pytest.raises(LimbeckError) as caught:
            convert(file, folder, base)
        assert caught.value.code == "E_OUTPUT_UNWRITABLE"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=400_000_000))
    assert refused(file, tmp_path, base).code == "E_DISK_FULL"


def test_disk_that_fills_up_meanwhile_leaves_nothing_behind(
    weights: dict[str, Tensor], base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    torch.save(weights, tmp_path / "mvdream.pt")
    monkeypatch.setattr(shutil, "copytree", full)
    assert refused(tmp_path / "mvdream.pt", tmp_path, base).code == "E_DISK_FULL"


def test_base_must_be_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path))
    with pytest.raises(LimbeckError) as caught:
        convert_mvdream(tmp_path / "mvdream.pt", tmp_path / "out")
    assert (caught.value.code, caught.value.remedy) == ("E_MODEL_MISSING", "limbeck models pull sd-2.1-base")
