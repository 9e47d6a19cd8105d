# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Learners small enough to compare runs bit for bit."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import nn


class Line:
    """Learns the sum of its inputs, with dropout to depend on the global generator."""

    def __init__(self, fail_at=None):
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.2), nn.Linear(8, 1))
        self.seen, self.fail_at, self.exported = [], fail_at, None

    @property
    def modules(self):
        return {"net": self.net}

    def loss(self, step):
        if self.fail_at is not None and step == self.fail_at[0]:
            self.fail_at[1]()
        generator = torch.Generator().manual_seed(step)
        x = torch.randn(4, 3, generator=generator)
        loss = (self.net(x) - x.sum(1, keepdim=True)).square().mean()
        self.seen.append(loss.item())
        return loss, {"rmse": loss.item() ** 0.5}

    def export(self, folder: Path):
        self.exported = (self.net.training, self.net[0].weight.detach().clone())
        (folder / "weights").write_bytes(b"weights")


class SmallUNet:
    def __init__(self):
        torch.manual_seed(0)
        self.unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            cross_attention_dim=8,
            attention_head_dim=4,
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ).to(memory_format=torch.channels_last)
        self.seen = []

    @property
    def modules(self):
        return {"unet": self.unet}

    def loss(self, step):
        generator = torch.Generator().manual_seed(step)
        x, noise = torch.randn(2, 2, 4, 8, 8, generator=generator)
        context = torch.randn(2, 3, 8, generator=generator)
        loss = (self.unet(x, torch.tensor([5, 500]), context).sample - noise).square().mean()
        self.seen.append(loss.item())
        return loss, {}

    def export(self, folder: Path):
        self.unet.save_pretrained(folder / "unet")
