# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""TAESD as the encoder of drafts: gradients flow, only models with its latents take it, and its files are checked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny

from limbeck.catalogue.records import Record, RecordedFile, write_record
from limbeck.config import Recipe, override
from limbeck.errors import LimbeckError
from limbeck.events import Finished
from limbeck.generate import GenerationSettings, generate, with_steps
from limbeck.models import Spoken, load_cast
from limbeck.priors.draft import DraftAutoencoder, load_tiny, with_draft_encoder
from limbeck.priors.loading import load_prior
from limbeck.priors.novel_view import Viewpoints, unscaled_latents
from limbeck.recipes import load_recipe
from limbeck.shelf import Shelf
from tiny_models import CPU, write_novel_view, write_pixel_host, write_sdxl, write_taesd, write_text_to_image


@pytest.fixture(autouse=True)
def _data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIMBECK_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def taesd(tmp_path: Path) -> Path:
    return pulled(write_taesd(tmp_path / "taesd"))


def pulled(folder: Path) -> Path:
    """Record a folder as what was pulled by the name taesd."""
    files = tuple(RecordedFile(path.name, path.stat().st_size, "") for path in folder.iterdir())
    write_record(Record("taesd", "madebyollin/taesd", "0" * 40, folder, files))
    return folder


def drafted(recipe: str = "dreamfusion") -> Recipe:
    changes = {"encoder": "taesd", "views": 2, "render_size": 16, "gaussians.count": 50}
    return override(with_steps(load_recipe(recipe), 2), changes)


def pictures(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_renders_are_encoded_by_the_tiny_encoder_and_gradients_reach_them(taesd: Path, tmp_path: Path) -> None:
    own = load_prior(str(write_text_to_image(tmp_path / "model")), "text_to_image", CPU)
    prior = with_draft_encoder(own, load_tiny(CPU, torch.float32))
    rgb = pictures().requires_grad_()
    latents = prior.encode(rgb)
    expected = AutoencoderTiny.from_pretrained(taesd).eval().encode(rgb * 2 - 1).latents
    assert torch.equal(latents, expected)
    assert latents.shape == own.encode(rgb).shape
    latents.square().sum().backward()
    assert rgb.grad is not None
    assert (rgb.grad.abs().sum((1, 2, 3)) > 0).all()
    assert torch.equal(prior.decode(latents.detach()), own.decode(latents.detach()))


def test_real_size_has_the_published_number_of_weights_and_eight_pixels_a_latent() -> None:
    with torch.device("meta"):
        real = AutoencoderTiny()
        assert sum(value.numel() for value in real.parameters()) == pytest.approx(2.445e6, rel=2e-3)
        assert real.encode(torch.zeros(1, 3, 512, 512)).latents.shape == (1, 4, 64, 64)


def test_run_with_it_makes_an_asset_and_says_so(taesd: Path, tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "models" / "text_to_image").parent
    settings = GenerationSettings(
        "a mug", drafted(), prior=str(folder), texture_size=0, faces=200, previews=0, device="cpu"
    )
    *_, last = generate(settings)
    assert isinstance(last, Finished)
    assert last.asset.metadata["recipe"]["encoder"] == "taesd"


def test_models_on_the_shelf_keep_their_own_encoder(taesd: Path, tmp_path: Path) -> None:
    folder = str(write_text_to_image(tmp_path / "models" / "text_to_image").parent)
    shelf, generator = Shelf(), torch.Generator()
    draft = load_cast(drafted(), folder, Spoken("a mug"), generator, CPU, shelf)
    final = load_cast(override(drafted(), {"encoder": "own"}), folder, Spoken("a mug"), generator, CPU, shelf)
    first, second = (cast.text("text_to_image").prior for cast in (draft, final))
    assert isinstance(first.autoencoder, DraftAutoencoder)
    assert not isinstance(second.autoencoder, DraftAutoencoder)
    assert first.unet is second.unet


def test_reference_that_every_step_looks_at_is_encoded_exactly(taesd: Path, tmp_path: Path) -> None:
    own = load_prior(str(write_novel_view(tmp_path / "model")), "novel_view", CPU)
    prior = with_draft_encoder(own, load_tiny(CPU, torch.float32))
    at = Viewpoints(*(torch.zeros(2) for _ in range(3)))
    assert torch.equal(prior.condition(pictures(), at, at).reference, own.condition(pictures(), at, at).reference)
    assert torch.equal(unscaled_latents(prior.autoencoder, pictures()) * 0.18215, own.encode(pictures()))
    assert not torch.equal(prior.encode(pictures()), own.encode(pictures()))


@pytest.mark.parametrize("host", ["pixels", "sdxl", "embedded"])
def test_hosts_with_other_latents_are_refused_before_anything_is_loaded(tmp_path: Path, host: str) -> None:
    source = "embedded"
    if host == "pixels":
        source = str(write_pixel_host(tmp_path / "text_to_image").parent)
    elif host == "sdxl":
        source = str(write_sdxl(tmp_path / "text_to_image").parent)
        config = tmp_path / "text_to_image" / "vae" / "config.json"
        config.write_text(config.read_text().replace("0.18215", "0.13025"), encoding="utf-8")
    with pytest.raises(LimbeckError, match="latents of Stable Diffusion 1 or 2") as refused:
        load_cast(drafted(), source, Spoken("a mug"), torch.Generator(), CPU)
    assert refused.value.code == "E_RECIPE_INVALID"
    assert "encoder=own" in refused.value.remedy


def test_draft_without_taesd_says_what_to_pull(tmp_path: Path) -> None:
    folder = write_text_to_image(tmp_path / "models" / "text_to_image").parent
    with pytest.raises(LimbeckError) as refused:
        load_cast(drafted(), str(folder), Spoken("a mug"), torch.Generator(), CPU)
    assert (refused.value.code, refused.value.remedy) == ("E_MODEL_MISSING", "limbeck models pull taesd")


@pytest.mark.parametrize(
    "changes",
    [
        {"latent_channels": 16},
        {"scaling_factor": 0.13025},
        {"encoder_block_out_channels": (8,) * 3, "num_encoder_blocks": (1, 3, 3)},
    ],
)
def test_tiny_autoencoder_of_other_latents_is_refused(tmp_path: Path, changes: dict) -> None:
    pulled(write_taesd(tmp_path / "taesd", **changes))
    with pytest.raises(LimbeckError, match="not those of Stable Diffusion") as refused:
        load_tiny(CPU, torch.float32)
    assert refused.value.code == "E_MODEL_INCOMPLETE"


def test_encoder_that_is_neither_is_refused_by_name() -> None:
    with pytest.raises(LimbeckError, match="encoder") as refused:
        override(load_recipe("dreamfusion"), {"encoder": "vae"})
    assert refused.value.code == "E_RECIPE_INVALID"
