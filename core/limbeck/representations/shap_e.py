# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A prompt's first shape by Shap-E (Jun and Nichol 2023, arXiv:2305.02463), in diffusers' layout: a mesh to start from.

Shap-E's world is ours: z up, the front facing -y (diffusers' ``create_pan_cameras`` looks from there first).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers.models.transformers.prior_transformer import PriorTransformer
from diffusers.pipelines.shap_e.pipeline_shap_e import ShapEPipeline
from diffusers.pipelines.shap_e.renderer import ShapERenderer
from diffusers.schedulers.scheduling_heun_discrete import HeunDiscreteScheduler
from skimage.measure import marching_cubes
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from limbeck.assets.clean import clean_mesh
from limbeck.assets.contact_sheet import to_uint8
from limbeck.assets.mesh import Mesh, make_mesh
from limbeck.errors import LimbeckError
from limbeck.priors.files import load_module, reported_as_incomplete
from limbeck.priors.locating import model_folder

ALIAS = "shap-e"
"""In the catalogue."""
PARTS = "prior, text_encoder, tokenizer, scheduler and shap_e_renderer"
STEPS, GUIDANCE_SCALE = 64, 15.0
"""GaussianDreamer's (Yi et al. 2023, section 4.1)."""
RESOLUTION = 96
"""Nodes along an edge of the cube from -1 to 1 in which the shape lies."""
QUERIES_AT_ONCE = 1 << 14


def shap_e_mesh(
    prompt: str,
    source: str,
    seed: int,
    device: torch.device,
    *,
    steps: int = STEPS,
    resolution: int = RESOLUTION,
) -> Mesh:
    """Return what Shap-E makes of a prompt, with its colours, closed and cleaned.

    Args:
        prompt: in words.
        source: a folder in diffusers' layout, the catalogue's alias, or a model id that was pulled.
        seed: of the first noise; drawn on the CPU.
        device: where to compute.
        steps: of Heun's sampler.
        resolution: nodes along an edge of the sampled cube.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE or E_MODEL_ROLE for weights that are not
            there, E_EMPTY if Shap-E makes nothing.
    """
    pipeline = load_shap_e(source, device)
    generator = torch.Generator().manual_seed(seed)
    drawn: Any = pipeline(
        prompt,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE_SCALE,
        generator=generator,
        output_type="latent",
    )
    field = _Field(pipeline.shap_e_renderer, drawn.images[:1])
    distances = field.distances(resolution)
    if not distances.min() < 0 < distances.max():
        raise LimbeckError("E_EMPTY", f"Shap-E made nothing of {prompt!r}", "try another seed or other words")
    # Nothing is solid beyond the cube, so that the surface is closed there; and solid is positive.
    vertices, faces, _, _ = marching_cubes(np.pad(distances, 1, constant_values=-1), 0.0, gradient_direction="ascent")
    positions = (vertices - 1) * (2 / (resolution - 1)) - 1
    colors = np.concatenate([to_uint8(field.colors_srgb(positions)), np.full((len(positions), 1), 255, np.uint8)], 1)
    return clean_mesh(make_mesh(positions, faces, colors), smoothing_steps=2)


def load_shap_e(source: str, device: torch.device) -> ShapEPipeline:
    """Load Shap-E part by part, from safetensors alone and never from the network.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN, E_MODEL_MISSING, E_MODEL_INCOMPLETE, E_MODEL_ROLE.
    """
    folder = model_folder(source, "start")
    with reported_as_incomplete("Shap-E", folder, PARTS):
        tokenizer: Any = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
        scheduler: Any = HeunDiscreteScheduler.from_pretrained(folder / "scheduler", local_files_only=True)
        pipeline = ShapEPipeline(
            prior=load_module(PriorTransformer, folder / "prior", device),
            text_encoder=load_module(CLIPTextModelWithProjection, folder / "text_encoder", device),
            tokenizer=tokenizer,
            scheduler=scheduler,
            shap_e_renderer=load_module(ShapERenderer, folder / "shap_e_renderer", device),
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


class _Field:
    """The signed distances and colours that one latent of Shap-E describes, in the cube from -1 to 1."""

    @torch.no_grad()
    def __init__(self, renderer: ShapERenderer, latents: torch.Tensor) -> None:
        self._network: Any = renderer.mlp
        made = renderer.params_proj(latents)
        for name, parameter in self._network.state_dict().items():
            if f"nerstf.{name}" in made:
                parameter.copy_(made[f"nerstf.{name}"].squeeze(0))

    def distances(self, resolution: int) -> np.ndarray:
        """Return signed distances [R, R, R], positive inside."""
        axis = np.linspace(-1, 1, resolution)
        nodes = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
        return self._asked(nodes, "signed_distance").reshape(resolution, resolution, resolution)

    def colors_srgb(self, points: np.ndarray) -> np.ndarray:
        """Return colours 0 to 1 of points [N, 3]."""
        return np.clip(self._asked(points, "channels"), 0, 1)

    @torch.no_grad()
    def _asked(self, points: np.ndarray, what: str) -> np.ndarray:
        queries = torch.from_numpy(points).to(self._network.device, self._network.dtype)[None]
        answers = [
            getattr(
                self._network(position=part, direction=None, ts=None, nerf_level="fine", rendering_mode="stf"), what
            )
            for part in queries.split(QUERIES_AT_ONCE, dim=1)
        ]
        return torch.cat(answers, dim=1)[0].float().cpu().numpy()
