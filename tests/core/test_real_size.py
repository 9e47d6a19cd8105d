# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Hosts at their published size, with random weights, through the product's own loader. Slow: ``pytest -m slow -s``.

Each is written in half precision and read as the product reads it; its eps is compared with that of diffusers' own UNet
and, for Stable Diffusion 2 and MVDream, with an oracle that knows only the original names. Vocabularies are those of
the tiny tokenizer. A model that the free memory does not hold is skipped.
"""

import gc
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from core.test_mvdream import original_name, placed
from limbeck.priors import loading
from limbeck.priors.loading import load_prior
from limbeck.priors.prior import Cond
from oracles.original_unet import OriginalUNet
from real_configs import CLIP_BIGG, CLIP_H, CLIP_L, SCHEDULE, UNETS, VAE
from real_hosts import write_tokenizer
from tiny_models import CPU

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
PARAMETERS = {"sd-1.5": 1.03e9, "sd-2.1-base": 1.24e9, "mvdream": 1.24e9, "sdxl": 3.4e9}
"""Of all parts that are loaded."""
BYTES = {"sd-1.5": 4, "sd-2.1-base": 4, "mvdream": 4, "sdxl": 2}
"""Per weight: SDXL is read in bfloat16, as on a GPU, for it to fit a small machine."""
TEXT = {"sd-1.5": CLIP_L, "sd-2.1-base": CLIP_H, "mvdream": CLIP_H, "sdxl": CLIP_L}
SIDE = {"sd-1.5": 32, "sd-2.1-base": 32, "mvdream": 32, "sdxl": 16}
"""Latents per side."""


def require_memory(alias: str) -> None:
    needed = 1.5 * PARAMETERS[alias] * BYTES[alias]
    free = psutil.virtual_memory().available
    if free < needed:
        pytest.skip(f"{alias} needs about {needed / 1e9:.0f} GB of memory, {free / 1e9:.0f} GB are free")


def drawn(module: Any) -> dict[str, Tensor]:
    """Return random weights in half precision for a module on the meta device: activations keep about their size."""
    weights = {}
    for name, value in module.state_dict().items():
        if value.ndim > 1:
            weights[name] = (torch.randn(value.shape) / value[0].numel() ** 0.5).half()
        else:
            weights[name] = torch.full(value.shape, float(name.endswith("weight"))).half()
    return weights


def write_part(folder: Path, kind: Any, config: Any, name: str = "diffusion_pytorch_model") -> None:
    with torch.device("meta"):
        module = kind(**config) if isinstance(config, Mapping) else kind(config)
    if isinstance(config, Mapping):
        module.save_config(folder)
    else:
        config.save_pretrained(folder)
    save_file(drawn(module), folder / f"{name}.safetensors", {"format": "pt"})


def clip_config(config: Mapping[str, Any]) -> CLIPTextConfig:
    return CLIPTextConfig(vocab_size=680, bos_token_id=678, eos_token_id=679, max_position_embeddings=77, **config)


def write_real(folder: Path, alias: str) -> None:
    torch.manual_seed(11)
    write_part(folder / "unet", UNet2DConditionModel, UNETS[alias])
    write_part(folder / "vae", AutoencoderKL, VAE)
    write_part(folder / "text_encoder", CLIPTextModel, clip_config(TEXT[alias]), "model")
    write_tokenizer(folder / "tokenizer")
    if alias == "sdxl":
        write_part(folder / "text_encoder_2", CLIPTextModelWithProjection, clip_config(CLIP_BIGG), "model")
        write_tokenizer(folder / "tokenizer_2")
    if alias == "mvdream":
        (folder / "camera_proj").mkdir()
        shapes = {"0.weight": (1280, 16), "0.bias": (1280,), "2.weight": (1280, 1280), "2.bias": (1280,)}
        camera = {name: (0.03 * torch.randn(shape)).half() for name, shape in shapes.items()}
        save_file(camera, folder / "camera_proj" / "diffusion_pytorch_model.safetensors")
    DDIMScheduler(**SCHEDULE, clip_sample=False).save_pretrained(folder / "scheduler")


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{what}: {time.process_time() - started:.0f} s of processor time, peak {peak:.1f} GB")


class Widened(Mapping[str, Tensor]):
    """Half-precision weights that become float32 one by one."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __getitem__(self, name: str) -> Tensor:
        return self.weights[name].float()

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __contains__(self, name: object) -> bool:
        return name in self.weights


def asked(alias: str, prior: Any) -> tuple[Tensor, Tensor, Cond]:
    views = 4 if alias == "mvdream" else 1
    generator = torch.Generator().manual_seed(1)
    xt = torch.randn(views, 4, SIDE[alias], SIDE[alias], generator=generator)
    camera = torch.randn(4, 16, generator=generator) if alias == "mvdream" else None
    text = prior.encode_text(["a blue penguin"]).expand(views, -1, -1)
    return xt, torch.full((views,), 400), Cond(text, camera=camera)


def by_diffusers(folder: Path, alias: str, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
    dtype = torch.float32 if BYTES[alias] == 4 else torch.bfloat16
    unet: Any = UNet2DConditionModel.from_pretrained(
        folder / "unet", torch_dtype=dtype, low_cpu_mem_usage=False, use_safetensors=True, local_files_only=True
    ).eval()
    text, told = cond.text, {}
    if alias == "sdxl":
        side = 8.0 * SIDE[alias]
        text, pooled = cond.text[:, :-1], cond.text[:, -1, :1280]
        ids = torch.tensor([[side, side, 0, 0, side, side]])
        told = {"added_cond_kwargs": {"text_embeds": pooled.to(dtype), "time_ids": ids.to(dtype)}}
    return unet(xt.to(dtype), t, text.to(dtype), return_dict=False, **told)[0].float()


def by_oracle(folder: Path, xt: Tensor, t: Tensor, cond: Cond) -> Tensor:
    weights = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    named = placed({original_name(name, 2): value for name, value in weights.items()})
    if cond.camera is not None:
        camera = load_file(folder / "camera_proj" / "diffusion_pytorch_model.safetensors")
        named |= {f"camera_embed.{name}": value for name, value in camera.items()}
    return OriginalUNet(Widened(named), head_channels=64, views=len(xt))(xt, t, cond.text, cond.camera)


@torch.no_grad()
@pytest.mark.parametrize("alias", PARAMETERS)
def test_published_size_loads_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alias: str) -> None:
    """Bounds: 0 against diffusers' own UNet, 2e-5 against the oracle, which adds in another order; eps is about 1."""
    require_memory(alias)
    with timed(f"{alias} written"):
        write_real(tmp_path, alias)
    gc.collect()
    if BYTES[alias] == 2:
        monkeypatch.setattr(loading, "precision_for", lambda *_: torch.bfloat16)
    with timed(f"{alias} loaded by the product"):
        prior = load_prior(str(tmp_path), "multi_view" if alias == "mvdream" else "text_to_image", CPU)
    xt, t, cond = asked(alias, prior)
    with timed(f"{alias} one eps of {tuple(xt.shape)}"):
        eps = prior.eps(xt, t, cond)
    assert eps.isfinite().all()
    assert eps.std() > 0.05
    del prior
    gc.collect()
    if alias != "mvdream":
        theirs = float((eps - by_diffusers(tmp_path, alias, xt, t, cond)).abs().max())
        print(f"{alias}: largest difference from diffusers' UNet {theirs:.1e}, eps has deviation {eps.std():.2f}")
        assert theirs == 0
        gc.collect()
    if alias in ("sd-2.1-base", "mvdream"):
        apart = float((eps - by_oracle(tmp_path, xt, t, cond)).abs().max())
        print(f"{alias}: largest difference from the oracle {apart:.1e}, eps has deviation {eps.std():.2f}")
        assert apart <= 2e-5
