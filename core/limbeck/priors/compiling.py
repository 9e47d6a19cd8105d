# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Compile the blocks of which UNets and autoencoders are made, region by region (``torch.compile``).

A whole UNet takes a compiler minutes; its transformer and residual blocks repeat, so that compiling each kind once is
most of the gain for less of the wait. What was compiled is kept on disk and found again by the next process. A copy of
a UNet that a run trains (``lora.TrainedCopy``) is not compiled: what is compiled does not pass into copies.

Compiled blocks fuse operations and so round differently: on the CPU in float32 noise predictions, latents and their
gradients stay within 1e-4 of the largest value (a test). A seed's asset is therefore the same byte for byte only
among runs of one kind, which is why the CPU, where that is promised, compiles nothing unless it is told to.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import platformdirs
import torch
from torch import Tensor, nn

from limbeck.cameras import ring_cameras
from limbeck.distillation.conditioning import Speaker
from limbeck.priors.prior import stack_conds

CompileChoice = Literal["auto", "on", "off"]
FEWEST_STEPS = 1000
"""From which ``auto`` compiles. A cold compilation takes a minute or more, which short runs never earn back."""
BLOCKS = ("BasicTransformerBlock", "ResnetBlock2D")
"""diffusers' classes of which UNets and autoencoders are made."""
VARIANTS = 64
"""Most shapes of one kind of block; torch's own limit of 8 would leave a UNet's later blocks uncompiled."""
TRIED_VIEWS = 4


def compile_for(choice: CompileChoice, device: torch.device, steps: int, speakers: Iterable[Speaker] = ()) -> bool:
    """Return whether a run compiles its models.

    Args:
        choice: ``on`` and ``off`` decide; ``auto`` is on for CUDA with Triton, models in half precision, which are the
            large ones, and runs of ``FEWEST_STEPS`` and more.
        device: of the run.
        steps: of the run.
        speakers: whose models.
    """
    if choice != "auto":
        return choice == "on"
    if device.type != "cuda" or steps < FEWEST_STEPS or importlib.util.find_spec("triton") is None:
        return False
    return any(unet.dtype != torch.float32 for speaker in speakers if (unet := _unet(speaker)) is not None)


def compile_models(speakers: Iterable[Speaker], backend: str = "inductor") -> list[str]:
    """Compile the blocks of every speaker's models, in place, and try them; returns what went wrong, if anything.

    A model whose compilation fails (no compiler, no room for its files, an operation that it cannot do) stays as it was
    before. Failures after the trial, at shapes that only come later, leave that shape uncompiled.

    Args:
        speakers: whose models; one that is compiled already stays so.
        backend: torch's compiler; others than the default are for tests.
    """
    cache = platformdirs.user_cache_path("limbeck", appauthor=False) / "compiled"
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache))
    torch._dynamo.config.recompile_limit = VARIANTS
    torch._dynamo.config.suppress_errors = False
    failures = []
    for speaker in _one_per_unet(speakers):
        modules = [*_blocks(_unet(speaker)), *_blocks(_encoder(speaker))]
        try:
            for module in modules:
                module.compile(backend=backend)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what a compiler looks at on its way
                _try_out(speaker)
        except (RuntimeError, OSError, ImportError) as error:  # dynamo's and inductor's errors are RuntimeErrors
            restore(modules)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            failures.append(f"{speaker.prior.spec.name} could not be compiled and runs as it is: {reason[:200]}")
    torch._dynamo.config.suppress_errors = True
    return failures


def is_compiled(unet: nn.Module) -> bool:
    """Return whether a UNet's blocks are compiled."""
    return any(module._compiled_call_impl is not None for module in _blocks(unet))


def restore(modules: Iterable[nn.Module]) -> None:
    """Let modules run as they are again."""
    for module in modules:
        module._compiled_call_impl = None


def _try_out(speaker: Speaker) -> None:
    """Run what a step runs: an encoding with its gradient, and a noise prediction of two branches."""
    prior = speaker.prior
    device, size = prior.alphas_cumprod.device, prior.spec.image_size
    cameras = ring_cameras(TRIED_VIEWS, elevation_deg=15.0, fov_y_deg=50.0, distance=3.0, size=size).to(device)
    rgb = torch.full((TRIED_VIEWS, 3, size, size), 0.5, device=device, requires_grad=True)
    latents = prior.encode(rgb)
    latents.sum().backward()
    t: Tensor = torch.full((2 * TRIED_VIEWS,), 500, device=device)
    cond = stack_conds([speaker.conds(cameras, branch) for branch in ("text", "uncond")])
    prior.eps(torch.cat([latents.detach()] * 2), t, cond)


def _one_per_unet(speakers: Iterable[Speaker]) -> Iterator[Speaker]:
    seen = set()
    for speaker in speakers:
        unet = _unet(speaker)
        if unet is not None and id(unet) not in seen and not is_compiled(unet):
            seen.add(id(unet))
            yield speaker


def _unet(speaker: Speaker) -> Any:
    return getattr(speaker.prior, "unet", None)


def _encoder(speaker: Speaker) -> Any:
    vae = getattr(getattr(speaker.prior, "autoencoder", None), "vae", None)
    return getattr(vae, "encoder", None)


def _blocks(module: nn.Module | None) -> list[nn.Module]:
    return [] if module is None else [block for block in module.modules() if type(block).__name__ in BLOCKS]
