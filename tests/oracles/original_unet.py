# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The UNet of latent diffusion as a function of its weights under their original names, written from the papers.

Rombach et al., arXiv:2112.10752 (the UNet), Vaswani et al., arXiv:1706.03762 (timestep embedding), Shazeer,
arXiv:2002.05202 (GEGLU), and MVDream, arXiv:2308.16512, section 3 (cameras, self-attention across views). It knows
nothing of diffusers: which name is where is decided here, by position alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class OriginalUNet:
    """Attributes:
    weights: by original name, without prefix.
    head_channels: of each attention head.
    groups: of every group normalisation.
    views: samples whose self-attention is joined.
    """

    weights: Weights
    head_channels: int
    groups: int = 32
    views: int = 1

    @torch.no_grad()
    def __call__(self, xt: Tensor, t: Tensor, text: Tensor, camera: Tensor | None = None) -> Tensor:
        embedding = self._two_layers("time_embed", _sinusoids(t, self.weights["time_embed.0.weight"].shape[1]))
        if camera is not None:
            embedding = embedding + self._two_layers("camera_embed", camera)
        h, skips = xt, []
        for block in range(self._count("input_blocks")):
            h = self._sequence(f"input_blocks.{block}", h, embedding, text)
            skips.append(h)
        h = self._sequence("middle_block", h, embedding, text)
        for block in range(self._count("output_blocks")):
            h = self._sequence(f"output_blocks.{block}", torch.cat([h, skips.pop()], 1), embedding, text)
        return self._conv("out.2", F.silu(self._norm("out.0", h)))

    def _count(self, name: str) -> int:
        return 1 + max(int(key.split(".")[1]) for key in self.weights if key.startswith(f"{name}."))

    def _sequence(self, name: str, h: Tensor, embedding: Tensor, text: Tensor) -> Tensor:
        """Apply a block's modules in order; each is known by the weights that it has."""
        if f"{name}.0.weight" in self.weights:
            return self._conv(f"{name}.0", h)
        for index in range(3):
            module = f"{name}.{index}"
            if f"{module}.in_layers.0.weight" in self.weights:
                h = self._residual(module, h, embedding)
            elif f"{module}.proj_in.weight" in self.weights:
                h = self._transformer(module, h, text)
            elif f"{module}.op.weight" in self.weights:
                h = self._conv(f"{module}.op", h, stride=2)
            elif f"{module}.conv.weight" in self.weights:
                h = self._conv(f"{module}.conv", h.repeat_interleave(2, 2).repeat_interleave(2, 3))
        return h

    def _residual(self, name: str, x: Tensor, embedding: Tensor) -> Tensor:
        h = self._conv(f"{name}.in_layers.2", F.silu(self._norm(f"{name}.in_layers.0", x)))
        h = h + self._linear(f"{name}.emb_layers.1", F.silu(embedding))[:, :, None, None]
        h = self._conv(f"{name}.out_layers.3", F.silu(self._norm(f"{name}.out_layers.0", h)))
        has_skip = f"{name}.skip_connection.weight" in self.weights
        return h + (self._conv(f"{name}.skip_connection", x) if has_skip else x)

    def _transformer(self, name: str, x: Tensor, text: Tensor) -> Tensor:
        samples, channels, height, width = x.shape
        h = self._norm(f"{name}.norm", x, eps=1e-6).flatten(2).transpose(1, 2)
        h = self._project(f"{name}.proj_in", h)
        depth = 1 + max(
            int(key.removeprefix(f"{name}.transformer_blocks.").split(".")[0])
            for key in self.weights
            if key.startswith(f"{name}.transformer_blocks.")
        )
        for index in range(depth):
            h = self._block(f"{name}.transformer_blocks.{index}", h, text)
        h = self._project(f"{name}.proj_out", h)
        return x + h.transpose(1, 2).reshape(samples, channels, height, width)

    def _block(self, name: str, h: Tensor, text: Tensor) -> Tensor:
        samples, tokens, width = h.shape
        joined = self._layer_norm(f"{name}.norm1", h).reshape(samples // self.views, self.views * tokens, width)
        h = h + self._attention(f"{name}.attn1", joined, joined).reshape(samples, tokens, width)
        h = h + self._attention(f"{name}.attn2", self._layer_norm(f"{name}.norm2", h), text)
        value, gate = self._linear(f"{name}.ff.net.0.proj", self._layer_norm(f"{name}.norm3", h)).chunk(2, -1)
        return h + self._linear(f"{name}.ff.net.2", value * F.gelu(gate))

    def _attention(self, name: str, queries: Tensor, others: Tensor) -> Tensor:
        q, k, v = (
            (source @ self.weights[f"{name}.{part}.weight"].T).unflatten(-1, (-1, self.head_channels)).transpose(1, 2)
            for part, source in (("to_q", queries), ("to_k", others), ("to_v", others))
        )
        scores = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.head_channels), -1)
        return self._linear(f"{name}.to_out.0", (scores @ v).transpose(1, 2).flatten(2))

    def _two_layers(self, name: str, x: Tensor) -> Tensor:
        return self._linear(f"{name}.2", F.silu(self._linear(f"{name}.0", x)))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _project(self, name: str, x: Tensor) -> Tensor:
        """Apply a linear layer, also one that is stored as a convolution of 1 x 1 (Stable Diffusion 1)."""
        return F.linear(x, self.weights[f"{name}.weight"].flatten(1), self.weights[f"{name}.bias"])

    def _conv(self, name: str, x: Tensor, stride: int = 1) -> Tensor:
        weight = self.weights[f"{name}.weight"]
        return F.conv2d(x, weight, self.weights[f"{name}.bias"], stride, padding=weight.shape[-1] // 2)

    def _norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        return F.group_norm(x, self.groups, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], eps)

    def _layer_norm(self, name: str, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])


def _sinusoids(t: Tensor, width: int) -> Tensor:
    half = width // 2
    frequencies = torch.exp(-math.log(10_000) * torch.arange(half) / half)
    angles = t[:, None].float() * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)
