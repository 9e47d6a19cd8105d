# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What diffusers' networks cost for one sample, read off their config.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from limbeck.planning.layers import Cost, Grid, chain

DEFAULT_CHANNELS = (320, 640, 1280, 1280)
DEFAULT_DOWN = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
CONTEXT_TOKENS = 77
"""What CLIP and IF's T5 give; other numbers change little."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Level:
    """One resolution of a UNet."""

    grid: Grid
    channels: int
    resnets: int
    layers: int
    kind: str


@dataclass(frozen=True)
class UNet:
    """The parts of a UNet2DConditionModel's configuration that cost something."""

    levels: tuple[Level, ...]
    inputs: int
    outputs: int
    context_width: int
    context: int = CONTEXT_TOKENS

    def attend(self, level: Level) -> Cost:
        """Return the cost of what follows a resnet on a level: attention of its kind, or nothing."""
        if "SimpleCrossAttn" in level.kind:
            return level.grid.added_attention(level.channels, self.context, self.context_width)
        if "CrossAttn" in level.kind:
            return level.grid.transformer(level.channels, level.layers, self.context, self.context_width)
        return Cost()


def unet_from(config: Config, side: int) -> UNet:
    """Return the UNet that a configuration describes, on latents of ``side`` by ``side``."""
    channels = tuple(config.get("block_out_channels") or DEFAULT_CHANNELS)
    kinds = tuple(config.get("down_block_types") or DEFAULT_DOWN)
    counts = _per_level(config.get("layers_per_block", 2), len(channels))
    layers = _per_level(config.get("transformer_layers_per_block", 1), len(channels))
    levels = tuple(
        Level(Grid(max(1, side >> depth) ** 2), width, counts[depth], layers[depth], kinds[depth])
        for depth, width in enumerate(channels)
    )
    width = config.get("cross_attention_dim") or 1280
    width = width if isinstance(width, int) else max(width)
    return UNet(levels, config.get("in_channels", 4), config.get("out_channels", 4), width)


def unet_cost(config: Config, side: int) -> Cost:
    """Return the cost of a UNet2DConditionModel on one sample.

    The skip connections are held from where they are made to where they are read.

    Args:
        config: its config.json; what it lacks is as in Stable Diffusion 2.
        side: height and width of the latents.
    """
    unet = unet_from(config, side)
    skips = list(_skips(unet))
    down, middle, up = chain(_down(unet)), _middle(unet), chain(_up(unet, skips))
    first, last = unet.levels[0], unet.levels[0].grid.conv(unet.levels[0].channels, unet.outputs)
    begin = first.grid.conv(unet.inputs, first.channels)
    return chain([begin, down, middle.beside(sum(skips)), up, last])


def controlnet_cost(config: Config, side: int) -> Cost:
    """Return the cost of a ControlNetModel: a UNet's first half, whose skips all pass one more layer and are held."""
    unet = unet_from(config, side)
    skips = sum(_skips(unet))
    picture = Grid((8 * side) ** 2)
    widths = tuple(config.get("conditioning_embedding_out_channels") or (16, 32, 96, 256))
    shown = picture.conv(3, widths[0]).then(picture.conv(widths[0], widths[0]))
    zero = Cost(sum(2 * level.channels**2 * level.grid.pixels * (level.resnets + 1) for level in unet.levels))
    return chain([shown, *_down(unet), _middle(unet).beside(2 * skips), zero])


def encoder_cost(config: Config, size: int) -> Cost:
    """Return the cost of an AutoencoderKL's encoder on one image of ``size`` by ``size`` pixels."""
    channels, resnets = tuple(config.get("block_out_channels") or (64,)), config.get("layers_per_block", 1)
    grid = Grid(size**2)
    costs, before = [grid.conv(config.get("in_channels", 3), channels[0])], channels[0]
    for depth, width in enumerate(channels):
        grid = Grid((size >> depth) ** 2)
        for _ in range(resnets):
            costs.append(grid.resnet(before, width))
            before = width
        if depth < len(channels) - 1:
            costs.append(grid.conv(width, width, stride=2).beside(width * grid.pixels))  # a padded copy is read
    width = channels[-1]
    attention = grid.attention(width, grid.pixels, width) if config.get("mid_block_add_attention", True) else Cost()
    head = Cost(0.0, 2 * width * grid.pixels, 3 * width * grid.pixels)  # norm and SiLU
    last = grid.conv(width, 2 * config.get("latent_channels", 4))
    return chain([*costs, grid.resnet(width, width), attention, grid.resnet(width, width), head, last])


def _per_level(value: int | Sequence[int], levels: int) -> list[int]:
    """Return a setting of each level, which a configuration may give once for all of them.

    SDXL lists layers per transformer where other levels have none; a list within a list is a number per resnet.
    """
    if isinstance(value, int):
        return [value] * levels
    return [one if isinstance(one, int) else max(one) for one in value]


def _skips(unet: UNet) -> Iterator[float]:
    """Yield the elements of each skip connection, in the order in which they are made."""
    yield unet.levels[0].channels * unet.levels[0].grid.pixels
    for level, below in zip(unet.levels, [*unet.levels[1:], None], strict=True):
        yield from [level.channels * level.grid.pixels] * level.resnets
        if below is not None:
            yield level.channels * below.grid.pixels


def _down(unet: UNet) -> Iterator[Cost]:
    held, before = unet.levels[0].channels * unet.levels[0].grid.pixels, unet.levels[0].channels
    for level, below in zip(unet.levels, [*unet.levels[1:], None], strict=True):
        for _ in range(level.resnets):
            yield level.grid.resnet(before, level.channels).then(unet.attend(level)).beside(held)
            held += level.channels * level.grid.pixels
            before = level.channels
        if below is not None:
            yield _resized(level, below.grid, level.grid, level.channels).beside(held)
            held += level.channels * below.grid.pixels


def _middle(unet: UNet) -> Cost:
    last = unet.levels[-1]
    resnet = last.grid.resnet(last.channels, last.channels)
    is_simple = any("SimpleCrossAttn" in level.kind for level in unet.levels)
    attending = Level(last.grid, last.channels, 2, last.layers, "SimpleCrossAttn" if is_simple else "CrossAttn")
    return resnet.then(unet.attend(attending)).then(resnet)


def _up(unet: UNet, skips: list[float]) -> Iterator[Cost]:
    """Yield the second half's costs; each resnet reads a skip, the last one that was made first, beside what it has."""
    skips, before = list(skips), unet.levels[-1].channels
    for level, above in zip(reversed(unet.levels), [*reversed(unet.levels[:-1]), None], strict=True):
        for _ in range(level.resnets + 1):
            skip = skips.pop() / level.grid.pixels
            resnet = level.grid.resnet(round(before + skip), level.channels)
            yield resnet.then(unet.attend(level)).beside(sum(skips))
            before = level.channels
        if above is not None:
            yield _resized(level, above.grid, above.grid, level.channels).beside(sum(skips))


def _resized(level: Level, to: Grid, at: Grid, width: int) -> Cost:
    """Return the cost of a change of resolution: a convolution, or in IF a resnet."""
    if "Simple" in level.kind or "Resnet" in level.kind:
        return to.resnet(width, width)
    made = to.conv(width, width)
    return Cost(made.flops, at.conv(width, width).kept, at.pixels * width + to.pixels * width)
