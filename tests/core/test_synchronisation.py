# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What makes a GPU wait: a step reads back once, uploads without waiting, and asks every model once.

The meta device stands for the GPU. It computes nothing, so that whatever needs a value of it is seen for certain: by a
dispatch mode that logs it and gives ones. What the GPU's own rasteriser would do is not seen here: on other devices
than CUDA splats are rasterised on the CPU, whose transfers are left out.
"""

from __future__ import annotations

import copy
import traceback
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from benchmarks.gpu_models import TINY, write_family
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from limbeck.generate import with_steps
from limbeck.models import Cast, Spoken, load_cast
from limbeck.optimisation.loop import Scene, run_step
from limbeck.optimisation.state import initial_state
from limbeck.randomness import seeded_generators
from limbeck.recipes import load_recipe

CPU, META = torch.device("cpu"), torch.device("meta")
aten: Any = torch.ops.aten


class WaitLog(TorchDispatchMode):
    """Where the host would wait for the device, by file and function."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []
        self.uploads: list[str] = []
        self.passes = {"unet": 0, "encoder": 0, "decoder": 0}

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default and args[0].is_meta:
            self.reads.append(place())
            return torch.ones((), dtype=args[0].dtype).item()
        if func in (aten.index_put_.default, aten.index_put.default, aten.index.Tensor) and masks(args[1]):
            self.reads.append(place())
        if func is aten._to_copy.default and kwargs.get("device") is not None:
            to, own = torch.device(kwargs["device"]), args[0].device
            if own == META and to == CPU:
                self.reads.append(place())
                return torch.ones(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            if own == CPU and to == META and not kwargs.get("non_blocking"):
                self.uploads.append(place())
        return func(*args, **kwargs)


def masks(indices: Any) -> bool:
    """Return whether a tensor is indexed by a mask on the device, whose true values must be counted first."""
    return any(index is not None and index.is_meta and index.dtype is torch.bool for index in indices)


def place() -> str:
    """Return the innermost own frame; autograd's frames are those of the backward pass that called it."""
    frames = [frame for frame in traceback.extract_stack() if "/limbeck/" in frame.filename]
    if any(frame.name == "backward" for frame in traceback.extract_stack()):
        return "backward"
    return f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "outside"


def on_meta(value: Any) -> Any:
    """Return models and tensors, however deep in dataclasses, on the meta device."""
    if isinstance(value, Tensor):
        return value.to(META)
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(META)
    if isinstance(value, dict):
        return {key: on_meta(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        changes = {field.name: on_meta(getattr(value, field.name)) for field in fields(value) if field.init}
        return replace(value, **changes)
    return value


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {
        name: write_family(family, root / str(index), torch.float32)
        for index, (name, family) in enumerate(TINY.items())
    }


def waits(recipe_name: str, folder: Path) -> WaitLog:
    """Run a step in the middle of a run, where everything acts, and return what waited."""
    recipe = with_steps(replace(load_recipe(recipe_name), refine=0), 20)
    recipe = replace(recipe, gaussians=replace(recipe.gaussians, count=50))
    loaded = load_cast(recipe, str(folder), Spoken("a blue penguin"), seeded_generators(0)["image"], CPU)
    models: Cast = on_meta(loaded)
    scene = Scene(recipe.rig, models.speakers, None, META, models.critics, models.picture, models.targets)
    state = initial_state(recipe, 0, META, models.speakers)
    state.step = 6
    log = WaitLog()
    critic = models.critics.multi_view
    priors = [speaker.prior for speaker in models.speakers.values()] + ([critic.prior] if critic else [])
    for prior in {id(prior): prior for prior in priors}.values():
        count_passes(prior, log)
    for trained in state.trained.values():
        trained.prior.unet.register_forward_hook(counting(log, "unet"))
    with log:
        run_step(state, recipe, scene)
    return log


def counting(log: WaitLog, part: str) -> Callable[..., None]:
    """Return a hook that counts a module's passes."""

    def count(*_: Any) -> None:
        log.passes[part] += 1

    return count


def count_passes(prior: Any, log: WaitLog) -> None:
    prior.unet.register_forward_hook(counting(log, "unet"))
    prior.autoencoder.vae.encoder.register_forward_hook(counting(log, "encoder"))
    prior.autoencoder.vae.decoder.register_forward_hook(counting(log, "decoder"))


RASTERISED_ELSEWHERE = {
    "choose.py:rasterization",
    "choose.py:<genexpr>",
    "gaussians.py:render",
    "densify.py:add",
    "backward",
}
"""The CPU rasteriser's inputs, images, statistics and gradients: on CUDA, gsplat's stay on the device."""


@pytest.mark.parametrize(
    ("name", "unet", "encoder"),
    [
        ("dreamfusion", 1, 1),
        ("luciddreamer", 4, 1),  # a path of three passes at t of some 600, each from where the last one led
        ("modedreamer", 2, 2),  # two priors
        ("jointdreamer", 2, 2),
        ("prolificdreamer", 3, 1),  # the copy answers, and learns
        ("scaledreamer", 1, 1),
    ],
)
def test_step_waits_once_and_asks_every_model_once(
    name: str, unet: int, encoder: int, folders: dict[str, Path]
) -> None:
    log = waits(name, folders["sd-1.5 + IP-Adapter + MVDream"])
    assert [read for read in log.reads if read not in RASTERISED_ELSEWHERE] == ["loop.py:_read_back"]
    assert set(log.uploads) <= RASTERISED_ELSEWHERE
    assert log.passes == {"unet": unet, "encoder": encoder, "decoder": 0}


def test_attention_is_the_fused_one_of_torch(folders: dict[str, Path]) -> None:
    recipe = load_recipe("modedreamer")
    folder = folders["sd-1.5 + IP-Adapter + MVDream"]
    models = load_cast(recipe, str(folder), Spoken("a penguin"), seeded_generators(0)["image"], CPU)
    kinds = set()
    for speaker in models.speakers.values():
        prior: Any = speaker.prior
        for model in (prior.unet, prior.autoencoder.vae):
            kinds |= {type(processor).__name__ for processor in model.attn_processors.values()}
    assert kinds == {"AttnProcessor2_0", "IPAdapterAttnProcessor2_0", "CrossViewAttention"}


def test_log_sees_what_would_wait() -> None:
    there = torch.ones(3, device=META)
    with WaitLog() as log:
        float(there[0])
        bool(there[1] > 0)
        there.cpu()
        there[there > 0] = 2.0
        torch.ones(3).to(META)
        torch.ones(3).to(META, non_blocking=True)
    assert len(log.reads) == 4
    assert len(log.uploads) == 1
