# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a model predicts, over which noise schedule, and how that becomes eps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class NoiseSchedule:
    """What a scheduler's folder says that a prior needs."""

    alphas_cumprod: Float[Tensor, " timesteps"]
    prediction_type: PredictionType

    def eps(
        self,
        prediction: Float[Tensor, "batch channels h w"],
        xt: Float[Tensor, "batch channels h w"],
        t: Int[Tensor, " batch"],
    ) -> Float[Tensor, "batch channels h w"]:
        """Return the noise that the model's prediction at ``xt`` stands for (v: arXiv:2202.00512, appendix D)."""
        if self.prediction_type == "epsilon":
            return prediction
        alpha_bar = self.alphas_cumprod[t][:, None, None, None]
        return alpha_bar.sqrt() * prediction + (1 - alpha_bar).sqrt() * xt


def load_schedule(folder: Path, device: torch.device) -> NoiseSchedule:
    """Load the noise schedule.

    Raises:
        ValueError: if the model predicts neither epsilon nor v.
    """
    scheduler: Any = DDIMScheduler.from_pretrained(folder, local_files_only=True)
    if scheduler.config.prediction_type not in get_args(PredictionType):
        raise ValueError(f"its scheduler's prediction_type is {scheduler.config.prediction_type!r}, not epsilon or v")
    alphas_cumprod = scheduler.alphas_cumprod.to(device=device, dtype=torch.float32)
    return NoiseSchedule(alphas_cumprod, scheduler.config.prediction_type)
