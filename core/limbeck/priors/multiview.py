# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""MVDream's one change to attention: self-attention sees all views of an object (arXiv:2308.16512, section 3.1)."""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor


class CrossViewAttention:
    """Joins the tokens of ``views`` contiguous samples before self-attention and parts them afterwards."""

    def __init__(self, views: int) -> None:
        """Take how many contiguous samples show one object."""
        self.views = views
        self._inner = AttnProcessor2_0()

    def __call__(self, attn: Attention, hidden_states: Tensor, **rest: Any) -> Tensor:
        """Attend over [batch * views, tokens, width] as [batch, views * tokens, width]."""
        samples, tokens, width = hidden_states.shape
        joined = hidden_states.reshape(samples // self.views, self.views * tokens, width)
        return self._inner(attn, joined, **rest).reshape(samples, tokens, width)


def join_views(unet: UNet2DConditionModel, views: int) -> None:
    """Make every self-attention (``attn1``) of the UNet attend across the views of a group."""
    processors = unet.attn_processors
    joined: dict[str, Any] = {
        name: CrossViewAttention(views) if ".attn1." in name else processor for name, processor in processors.items()
    }
    unet.set_attn_processor(joined)
