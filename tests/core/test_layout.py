# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A folder that cannot play its role is refused before anything is loaded, with what is wrong and what would fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.priors.layout import require_layout
from limbeck.priors.locating import EMBEDDED
from real_hosts import (
    write_controlnet,
    write_ip_adapter,
    write_model,
    write_mvdream,
    write_pair_classifier,
    write_zero123,
)

ROLES = ("text_to_image", "multi_view", "novel_view", "image_prompt", "structure", "pair_classifier")
UNET = "unet/diffusion_pytorch_model.safetensors"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3438167536\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(9)
    root = tmp_path_factory.mktemp("models")
    for alias in ("sd-1.5", "sd-2.1-base", "sdxl", "if"):
        write_model(root / alias, alias)
    write_mvdream(root / "mvdream")
    write_zero123(root / "zero123-xl")
    write_ip_adapter(root / "ip-adapter")
    write_controlnet(root / "controlnet", "sd-1.5")
    write_pair_classifier(root / "classifier")
    return root


def refusal(folder: Path, role: str = "text_to_image", base: Path | None = None) -> LimbeckError:
    with pytest.raises(LimbeckError) as refused:
        require_layout(folder, role, base)
    assert refused.value.remedy
    return refused.value


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("sd-1.5", "text_to_image"),
        ("sd-2.1-base", "text_to_image"),
        ("sdxl", "text_to_image"),
        ("if", "text_to_image"),
        ("mvdream", "multi_view"),
        ("zero123-xl", "novel_view"),
        ("ip-adapter", "image_prompt"),
        ("controlnet", "structure"),
        ("classifier", "pair_classifier"),
    ],
)
def test_whole_folder_is_accepted(models: Path, name: str, role: str) -> None:
    base = models / "sd-1.5" if role in ("image_prompt", "structure") else None
    require_layout(models / name, role, base)


@pytest.mark.parametrize(
    "role", sorted(path.name for path in EMBEDDED.iterdir() if path.name not in ("evaluators",) and path.is_dir())
)
def test_embedded_family_is_accepted(role: str) -> None:
    require_layout(EMBEDDED / role, role, EMBEDDED / "text_to_image")


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("sd-2.1-base", "unet/config.json"),
        ("sd-2.1-base", UNET),
        ("sd-2.1-base", "scheduler/scheduler_config.json"),
        ("sd-2.1-base", "text_encoder/model.safetensors"),
        ("sd-2.1-base", "vae/config.json"),
        ("sdxl", "text_encoder_2/model.safetensors"),
        ("sdxl", "vae/diffusion_pytorch_model.safetensors"),
        ("if", "text_encoder/model-00002-of-00003.safetensors"),
    ],
)
def test_missing_file_is_named(models: Path, tmp_path: Path, name: str, lost: str) -> None:
    folder = shutil.copytree(models / name, tmp_path / name)
    (folder / lost).unlink()
    error = refusal(folder)
    assert error.code == "E_MODEL_INCOMPLETE"
    assert Path(lost).parent.name in error.message
    assert "download the folder again" in error.remedy


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2", "vae", "text_encoder", "text_encoder_2", "scheduler"])
def test_missing_part_is_named(models: Path, tmp_path: Path, part: str) -> None:
    folder = shutil.copytree(models / "sdxl", tmp_path / "sdxl")
    shutil.rmtree(folder / part)
    error = refusal(folder)
    assert error.code == "E_MODEL_INCOMPLETE"
    assert f"{part}/" in error.message or error.message.endswith(part)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda whole: whole[:-1], "its header says"),
        (lambda whole: whole[: len(whole) // 2], "its header says"),
        (lambda whole: whole[:100], "cut off"),
        (lambda whole: whole[:3], "cut off"),
        (lambda whole: b"", "cut off"),
        (lambda whole: whole + b"0", "its header says"),
        (lambda whole: POINTER, "pointer that git left"),
        (lambda whole: b"<html>sign in</html>" * 50, "cut off or no safetensors"),
        (lambda whole: whole[:8] + b"x" * (len(whole) - 8), "damaged header"),
    ],
)
def test_damaged_weights_are_refused_by_their_header(models: Path, tmp_path: Path, content, words: str) -> None:
    folder = shutil.copytree(models / "sd-1.5", tmp_path / "model")
    path = folder / UNET
    path.write_bytes(content(path.read_bytes()))
    error = refusal(folder)
    assert error.code == "E_MODEL_INCOMPLETE"
    assert words in error.message
    assert path.name in error.message


@pytest.mark.parametrize("content", ["", "[]", "{", "null", '"text"'])
def test_damaged_configuration_is_refused(models: Path, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(models / "sd-1.5", tmp_path / "model")
    (folder / "unet" / "config.json").write_text(content)
    error = refusal(folder)
    assert (error.code, "unet/config.json" in error.message) == ("E_MODEL_INCOMPLETE", True)


@pytest.mark.parametrize("part", ["unet", "vae", "text_encoder"])
def test_pickles_alone_are_refused_and_not_read(models: Path, tmp_path: Path, part: str) -> None:
    folder = shutil.copytree(models / "sd-1.5", tmp_path / "model")
    (weights,) = (folder / part).glob("*.safetensors")
    weights.rename(weights.with_suffix(".bin"))
    error = refusal(folder)
    assert error.code == "E_MODEL_UNSAFE"
    assert f"{weights.stem}.bin" in error.message


@pytest.mark.parametrize(
    ("name", "role", "got", "recipe"),
    [
        ("zero123-xl", "text_to_image", "a novel-view one", "zero123"),
        ("mvdream", "text_to_image", "a multi-view one", "mvdream"),
        ("sd-2.1-base", "multi_view", "a text-to-image one", "dreamfusion"),
        ("sd-1.5", "novel_view", "a text-to-image one", "dreamfusion"),
    ],
)
def test_model_of_another_kind_is_refused_with_a_recipe_for_it(
    models: Path, name: str, role: str, got: str, recipe: str
) -> None:
    error = refusal(models / name, role)
    assert (error.code, got in error.message, f"--recipe {recipe}" in error.remedy) == ("E_MODEL_ROLE", True, True)


@pytest.mark.parametrize("role", ["image_prompt", "structure", "pair_classifier"])
def test_folder_without_the_role_says_what_is_there(models: Path, role: str) -> None:
    error = refusal(models / "sd-2.1-base" / role, role)
    assert error.code == "E_MODEL_ROLE"
    assert "text_encoder, tokenizer, unet, vae" in error.message


@pytest.mark.parametrize(("name", "role"), [("ip-adapter", "image_prompt"), ("controlnet", "structure")])
def test_adapter_of_stable_diffusion_1_is_refused_on_2(models: Path, tmp_path: Path, name: str, role: str) -> None:
    """With the published widths in the base's configuration; the tiny models' own are 24 and 32."""
    error = refusal(models / name, role, models / "sd-2.1-base")
    assert error.code == "E_MODEL_ROLE"
    assert "text of width 32, got one for 24" in error.message
    base = tmp_path / "unet"
    base.mkdir()
    (base / "config.json").write_text(json.dumps({"cross_attention_dim": 1024}))
    adapter = shutil.copytree(models / name, tmp_path / name)
    if role == "structure":
        config = json.loads((adapter / "config.json").read_text())
        (adapter / "config.json").write_text(json.dumps(config | {"cross_attention_dim": 768}))
        error = refusal(adapter, role, tmp_path)
        assert "width 1024 (Stable Diffusion 2), got one for 768 (Stable Diffusion 1)" in error.message
        assert "--prior sd-1.5" in error.remedy
