# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What layers cost, by their shapes alone: arithmetic that needs neither weights nor torch.

Operations count two per multiply-add, as ``torch.utils.flop_counter`` does. Memory counts in elements, not in bytes:
what type they have is not the layer's affair. The kernels are those that never write down an attention matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """What a layer costs for one sample.

    Attributes:
        flops: of the forward pass.
        kept: elements that autograd keeps for the gradient of the layer's input, its weights being frozen.
        work: elements alive at once, at most, while the layer runs without autograd; its input counts.
    """

    flops: float = 0.0
    kept: float = 0.0
    work: float = 0.0

    def then(self, other: Cost) -> Cost:
        """Return the cost of this layer and another one after it."""
        return Cost(self.flops + other.flops, self.kept + other.kept, max(self.work, other.work))

    def beside(self, held: float) -> Cost:
        """Return the cost where that many elements more are held the while."""
        return Cost(self.flops, self.kept, self.work + held)


def chain(costs: Iterable[Cost]) -> Cost:
    """Return the cost of layers one after the other."""
    total = Cost()
    for cost in costs:
        total = total.then(cost)
    return total


@dataclass(frozen=True)
class Grid:
    """Where a layer works: how many pixels, or tokens, a sample has there."""

    pixels: int

    def conv(self, inputs: int, outputs: int, kernel: int = 3, *, stride: int = 1) -> Cost:
        """Return the cost of a convolution that reads from this grid; its input is kept, whatever is frozen."""
        made = outputs * self.pixels / stride**2
        return Cost(2 * kernel**2 * inputs * made, inputs * self.pixels, inputs * self.pixels + made)

    def resnet(self, inputs: int, outputs: int) -> Cost:
        """Return the cost of diffusers' ResnetBlock2D: norm, SiLU, convolution, twice, and a shortcut.

        Both norms, both SiLUs and both convolutions keep their inputs; the shortcut's is the first norm's.
        """
        shortcut = 2 * inputs * outputs * self.pixels if inputs != outputs else 0
        flops = self.conv(inputs, outputs).flops + self.conv(outputs, outputs).flops + shortcut
        work = max(3 * inputs, 2 * inputs + outputs, inputs + 3 * outputs)
        return Cost(flops, 3 * (inputs + outputs) * self.pixels, work * self.pixels)

    def transformer(self, width: int, layers: int, context: int, context_width: int) -> Cost:
        """Return the cost of diffusers' Transformer2DModel: a norm, two projections, and blocks between them.

        Args:
            width: channels.
            layers: how many blocks of self-attention, attention to the context, and a gated feed-forward.
            context, context_width: tokens that it attends to besides itself, and their width.
        """
        around = Cost(4 * self.pixels * width**2, 2 * width * self.pixels, 3 * width * self.pixels)
        to_itself = self.attention(width, self.pixels, width)
        to_context = self.attention(width, context, context_width)
        forward = Cost(24 * self.pixels * width**2, 17 * width * self.pixels, 19 * width * self.pixels)
        block = to_itself.then(to_context).then(forward)
        return around.then(Cost(layers * block.flops, layers * block.kept, block.work))

    def attention(self, width: int, keys: int, key_width: int) -> Cost:
        """Return the cost of a norm and an attention of every pixel to ``keys`` tokens."""
        projections = 2 * (2 * self.pixels * width**2 + 2 * keys * key_width * width)
        flops = projections + 4 * self.pixels * keys * width
        kept = (3 * self.pixels + 2 * keys) * width
        return Cost(flops, kept, (5 * self.pixels + 2 * keys) * width)

    def added_attention(self, width: int, context: int, context_width: int) -> Cost:
        """Return the cost of DeepFloyd IF's attention, whose pixels attend to each other and to the context at once."""
        attention = self.attention(width, self.pixels + context, width)
        spared = 2 * 2 * context * (width**2 - context_width * width)
        return Cost(attention.flops - spared, attention.kept + width * self.pixels, attention.work)
