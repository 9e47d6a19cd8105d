# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a step goes, for `benchmarks/gpu.py`: the product's own step with stopwatches at its seams.

A stopwatch is a CUDA event on the GPU's own timeline, which nothing waits for; on the CPU it is `perf_counter`. UNets
are timed by hooks, the autoencoder and the representation by wrappers; backward passes by hooks on the tensors at which
they begin and end. Parts never nest: autograd runs what was made last first, so that the autoencoder's backward is over
before the renderer's begins.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from limbeck.distillation.conditioning import Conditioned
from limbeck.models import Cast
from limbeck.optimisation.state import RunState

Part = Literal["step", "unet", "vae", "render"]
PARTS: tuple[Part, ...] = ("unet", "vae", "render")


@dataclass
class Stopwatch:
    """Begin and end of parts, by part; ``milliseconds`` reads them when all is over."""

    device: torch.device
    spans: dict[Part, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))
    running: set[Part] = field(default_factory=set)

    def begin(self, part: Part) -> None:
        """Start a part; one that runs already goes on."""
        if part not in self.running:
            self.running.add(part)
            self.spans[part].append([self._now()])

    def end(self, part: Part) -> None:
        """Stop a part, if it runs."""
        if part in self.running:
            self.running.remove(part)
            self.spans[part][-1].append(self._now())

    def end_after_backward(self, part: Part) -> None:
        """Stop a part once the backward pass under way is over."""
        torch.autograd.Variable._execution_engine.queue_callback(lambda: self.end(part))  # type: ignore[attr-defined]

    def milliseconds(self, part: Part) -> list[float]:
        """Return how long each span of a part took; waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return [self._apart(*span) for span in self.spans[part] if len(span) == 2]

    def reset(self) -> None:
        """Forget everything."""
        self.spans.clear()
        self.running.clear()

    def _now(self) -> Any:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    @staticmethod
    def _apart(begin: Any, end: Any) -> float:
        return 1000 * (end - begin) if isinstance(begin, float) else begin.elapsed_time(end)


@dataclass(frozen=True)
class TimedAutoencoder:
    """An autoencoder whose passes, forward and backward, count as ``vae``."""

    inner: Any
    watch: Stopwatch

    @property
    def scaling_factor(self) -> float:
        return self.inner.scaling_factor

    def encode(self, rgb: Tensor) -> Tensor:
        seen = rgb.view_as(rgb)
        if seen.requires_grad:
            seen.register_hook(lambda _: self.watch.end("vae"))
        self.watch.begin("vae")
        latents = self.inner.encode(seen)
        self.watch.end("vae")
        if latents.requires_grad:
            latents.register_hook(lambda _: self.watch.begin("vae"))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        self.watch.begin("vae")
        rgb = self.inner.decode(latents)
        self.watch.end("vae")
        return rgb


class TimedRepresentation:
    """A representation whose rendering, forward and backward, counts as ``render``; all else is its own."""

    def __init__(self, inner: Any, watch: Stopwatch) -> None:
        self._inner = inner
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __len__(self) -> int:
        return len(self._inner)

    def render(self, *args: Any, **kwargs: Any) -> Any:
        self._watch.begin("render")
        rendering = self._inner.render(*args, **kwargs)
        self._watch.end("render")
        for image in (rendering.rgb, rendering.alpha, rendering.depth):
            if image.requires_grad:
                image.register_hook(self._begin_backward)
        return rendering

    def _begin_backward(self, _: Tensor) -> None:
        self._watch.begin("render")
        self._watch.end_after_backward("render")


def time_unet(unet: nn.Module, watch: Stopwatch) -> list[Any]:
    """Count a UNet's passes as ``unet``; copies of it do the same. Returns the hooks, to be removed."""

    def before(*_: Any) -> None:
        watch.begin("unet")

    def after(_module: Any, _inputs: Any, answer: Any) -> None:
        watch.end("unet")
        if answer[0].requires_grad:
            answer[0].register_hook(backward)

    def backward(_: Tensor) -> None:
        watch.begin("unet")
        watch.end_after_backward("unet")

    return [unet.register_forward_pre_hook(before), unet.register_forward_hook(after)]


def with_stopwatch(models: Cast, watch: Stopwatch) -> tuple[Cast, list[Any]]:
    """Return the same models with stopwatches, and the hooks to be removed when all is over."""
    speakers: dict[Any, Any] = {}
    unets: dict[int, nn.Module] = {}
    for role, speaker in models.speakers.items():
        speakers[role] = _timed(speaker, watch)
        unet: Any = speaker.prior.unet  # type: ignore[attr-defined]
        unets[id(unet)] = unet
    multi_view = speakers.get("multi_view") if models.critics.multi_view is not None else None
    timed = replace(models, speakers=speakers, critics=replace(models.critics, multi_view=multi_view))
    return timed, [hook for unet in unets.values() for hook in time_unet(unet, watch)]


def _timed(speaker: Any, watch: Stopwatch) -> Conditioned:
    prior = speaker.prior
    return replace(speaker, prior=replace(prior, autoencoder=TimedAutoencoder(prior.autoencoder, watch)))


def watch_representation(state: RunState, watch: Stopwatch) -> None:
    """Let a run's representation be timed, in place."""
    timed: Any = TimedRepresentation(state.representation, watch)
    state.representation = timed


def remove_hooks(hooks: list[Any]) -> None:
    """Take the stopwatches off UNets that outlive a measurement."""
    for hook in hooks:
        with suppress(AttributeError):
            hook.remove()


def shares(watch: Stopwatch) -> Mapping[str, float]:
    """Return the mean milliseconds a step spends in each part, by ``PARTS`` and ``rest``."""
    steps = watch.milliseconds("step")
    count = max(1, len(steps))
    by_part = {part: sum(watch.milliseconds(part)) / count for part in PARTS}
    return {**by_part, "rest": max(0.0, sum(steps) / count - sum(by_part.values()))}
