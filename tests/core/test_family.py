# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A family of priors: trained by one command, sharing one decoder, and gathered whole or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from limbeck.errors import LimbeckError
from limbeck.priors.loading import load_prior
from limbeck.training import embed, family, text_to_image
from limbeck.training.latents import load_pca, save_pca
from limbeck.training.options import TrainingOptions

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text-to-image prior after one step, in its family's folder."""
    folder = tmp_path_factory.mktemp("prior")
    text_to_image.run(TrainingOptions(folder / "t2i", steps=1, things=24, cache=folder, draws_sheet=False))
    return folder


def test_embedding_a_family_leaves_checkpoints_behind_and_says_what_it_knows(trained: Path, tmp_path: Path) -> None:
    family = tmp_path / "family"
    family.mkdir()
    (family / "text_to_image").symlink_to(trained / "t2i")
    embed.run(TrainingOptions(tmp_path / "out", start=family))
    assert not list((tmp_path / "out").rglob("checkpoint.*"))
    spec = load_prior(str(tmp_path / "out"), "text_to_image", CPU).spec
    assert spec.background == (0.3, 1.0)
    assert {"ladder", "turquoise"} <= set(spec.subjects)
    assert "striped" in (spec.known_words or ())


@pytest.fixture
def gathered(trained: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A family of one trained prior, and what was gathered of it."""
    family = tmp_path / "family"
    shutil.copytree(trained / "t2i", family / "text_to_image", ignore=shutil.ignore_patterns("checkpoint.*"))
    embed.run(TrainingOptions(tmp_path / "out", start=family))
    return family, tmp_path / "out"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("out", ["family", "family/text_to_image", "family/embedded", "."])
def test_embedding_into_or_around_the_family_is_refused_and_deletes_nothing(
    gathered: tuple[Path, Path], out: str
) -> None:
    family, _ = gathered
    before = tree(family)
    with pytest.raises(LimbeckError) as refused:
        embed.run(TrainingOptions(family.parent / out, start=family))
    assert refused.value.code == "E_USAGE"
    assert tree(family) == before


@pytest.mark.parametrize("failure", ["too large", "no room"])
def test_a_family_that_cannot_be_gathered_leaves_the_old_one(
    gathered: tuple[Path, Path], failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    family, out = gathered
    before = tree(out)
    if failure == "too large":
        monkeypatch.setattr(embed, "MAX_BYTES", 1000)
    else:

        def no_room(*_: object, **__: object) -> None:
            raise shutil.Error([("a", "b", "[Errno 28] No space left on device")])

        monkeypatch.setattr(shutil, "copytree", no_room)
    with pytest.raises(LimbeckError) as refused:
        embed.run(TrainingOptions(out, start=family))
    assert refused.value.code == {"too large": "E_MODEL_TOO_LARGE", "no room": "E_DISK_FULL"}[failure]
    assert tree(out) == before
    assert {path.name for path in out.parent.iterdir()} == {"family", "out"}


def test_gathering_removes_members_that_the_family_lacks_and_keeps_other_files(gathered: tuple[Path, Path]) -> None:
    family, out = gathered
    (out / "structure").mkdir()
    (out / "structure" / "card.json").write_text("{}")
    (out / "README.md").write_text("about all of them")
    embed.run(TrainingOptions(out, start=family))
    assert not (out / "structure").exists()
    assert (out / "README.md").read_text() == "about all of them"


def test_a_move_that_fails_is_undone(gathered: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    family, out = gathered
    before, rename, refusals = tree(out), Path.rename, [True]

    def stubborn(path: Path, target: Path) -> Path:
        if path.name == "prior.json" and target.parent == out and refusals:
            refusals.pop()
            raise PermissionError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(LimbeckError) as refused:
        embed.run(TrainingOptions(out, start=family))
    assert refused.value.code == "E_OUTPUT_UNWRITABLE"
    monkeypatch.undo()
    assert tree(out) == before


def test_a_decoder_of_another_latent_space_is_refused(gathered: tuple[Path, Path]) -> None:
    family, out = gathered
    shutil.copytree(family / "text_to_image" / "vae", family / "autoencoder" / "vae")
    embed.run(TrainingOptions(out, start=family))
    before = tree(out)
    pca = {name: tensor.flip(0).contiguous() for name, tensor in load_pca(family / "autoencoder").items()}
    save_pca(pca, family / "autoencoder" / "vae")
    with pytest.raises(LimbeckError, match="latent space") as refused:
        embed.run(TrainingOptions(out, start=family))
    assert refused.value.code == "E_MODEL_INCOMPLETE"
    assert tree(out) == before
    with pytest.raises(LimbeckError, match="latent space"):
        text_to_image.run(TrainingOptions(family / "text_to_image", steps=1, things=24, draws_sheet=False))


def test_embedding_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimbeckError, match="trained priors"):
        embed.run(TrainingOptions(tmp_path / "out", start=tmp_path / "nothing"))


def test_one_command_trains_a_family_and_passes_over_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = {name: family.PARTS[name] for name in ("autoencoder", "text_to_image", "multi_view")}
    monkeypatch.setattr(family, "PARTS", some)
    options = TrainingOptions(tmp_path, steps=1, things=24, draws_sheet=False)
    family.run(options)
    assert load_prior(str(tmp_path / "embedded"), "multi_view", CPU).spec.views_per_group == 4
    decoder = (tmp_path / "autoencoder" / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    for folder in (tmp_path, tmp_path / "embedded"):
        for name in ("text_to_image", "multi_view"):
            assert (folder / name / "vae" / "diffusion_pytorch_model.safetensors").read_bytes() == decoder
    trained_at = {name: (tmp_path / name / "card.json").stat().st_mtime_ns for name in some}
    (tmp_path / "multi_view" / "card.json").unlink()
    family.run(options)
    again = {name: (tmp_path / name / "card.json").stat().st_mtime_ns for name in some}
    assert {name for name in some if again[name] != trained_at[name]} == {"multi_view"}
