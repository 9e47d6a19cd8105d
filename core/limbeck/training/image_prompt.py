# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Train the image prompt: an IP-Adapter (arXiv:2308.06721) and its image encoder on the frozen text-to-image prior.

Captions name object and colour only; the image tells pattern and proportions. It shows the same toy over another
background, now and then from another side, so that no pixel can be copied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from limbeck.playset.captions import caption, view_word
from limbeck.playset.pool import Pool
from limbeck.playset.things import COLOR_WORDS, NOUNS, PATTERNS
from limbeck.priors.image_encoder import clip_pixels
from limbeck.priors.ip_adapter import TOKENS, AdapterState, adapted_processors, attach_adapter
from limbeck.priors.loading import load_prior
from limbeck.training.adapting import Base, draw_captions, draw_groups, load_base
from limbeck.training.diffusion_loss import LAYOUT_FROM_CONDITION, seeded, v_loss
from limbeck.training.disk import require_writable_folder
from limbeck.training.folders import open_pool
from limbeck.training.image_encoder import WIDTH, save_half, warmed_up_encoder
from limbeck.training.options import TrainingOptions
from limbeck.training.report import write_card
from limbeck.training.seeding import first_weights
from limbeck.training.sheets import save_sheet
from limbeck.training.text_to_image import FRONT_SHARE, biased_views
from limbeck.training.token_fit import FIT_BATCH, FIT_IMAGES, fit_linear
from limbeck.training.trainer import TrainingSettings, train

STEPS = 3500
BATCH = 16
THINGS = 8000
SAME_VIEW = 0.85
"""The official adapter is always shown the very image to draw; a few turned ones leave the side to the words."""
TEXT_DROPPED, IMAGE_DROPPED, BOTH_DROPPED = 0.30, 0.05, 0.05
"""More texts than the official twentieth: without words the image must tell all."""
ENCODER_RATE = 0.05
VALUE_SHARE = 0.5
"""Of the text's values, for the image's at first: beside the words, the image's tokens say the same again."""


@dataclass(frozen=True)
class ImagePromptLearner:
    """Image projection, keys and values of the adapter, and the image encoder; the UNet stays as it is."""

    pool: Pool
    base: Base
    encoder: Any
    settings: TrainingSettings

    @property
    def modules(self) -> dict[str, nn.Module]:
        """The adapter's two parts as the file has them, and the encoder."""
        unet: Any = self.base.prior.unet
        processors = {str(index): unet.attn_processors[name] for index, name in adapted_processors(unet).items()}
        return {
            "image_proj": unet.encoder_hid_proj.image_projection_layers[0],
            "ip_adapter": nn.ModuleDict(processors),
            "image_encoder": self.encoder,
        }

    def loss(self, step: int) -> tuple[Tensor, dict[str, float]]:
        """Return the v-prediction loss of one batch."""
        rng, pool = np.random.default_rng((self.settings.seed, 4, step)), self.pool
        groups = draw_groups(pool, self.settings.batch, rng)
        views = biased_views(pool, groups, FRONT_SHARE, rng)
        turned = np.where(rng.random(len(groups)) < SAME_VIEW, 0, rng.integers(1, 4, len(groups)))
        latents = self.base.latents(pool.images(groups, views, rng))
        rgb = torch.from_numpy(pool.images(groups, (views + turned) % 4, rng)).to(self.base.device)
        captions = draw_captions(pool, groups, views, rng, pattern_said=0.0)
        has_text, has_image = draw_kept(len(groups), rng)
        texts = [text if kept else "" for text, kept in zip(captions, has_text, strict=True)]
        text = self.base.prior.encode_text(texts)
        embeds = self.encoder(pixel_values=clip_pixels(rgb, rgb.shape[-1])).image_embeds
        embeds = embeds * torch.from_numpy(has_image).to(embeds)[:, None]

        def predict(xt: Tensor, t: Tensor) -> Tensor:
            added = {"image_embeds": [embeds[:, None]]}
            return self.base.prior.unet(xt, t, text, added_cond_kwargs=added, return_dict=False)[0]

        generator = seeded(self.settings.seed, step)
        return v_loss(predict, latents, self.base.prior.alphas_cumprod, generator, min_weight=LAYOUT_FROM_CONDITION)

    def export(self, folder: Path) -> None:
        """Write adapter and encoder in h94/IP-Adapter's layout, in half precision."""
        (folder / "models").mkdir(parents=True, exist_ok=True)
        tensors = adapter_tensors(self.base.prior.unet)
        save_file(tensors, folder / "models" / "ip-adapter.safetensors", metadata={"format": "pt"})
        save_half(self.encoder, folder / "models" / "image_encoder")


def draw_kept(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return which samples keep their text, and which their image."""
    u = rng.random(count)
    only_text = u < IMAGE_DROPPED
    only_image = (u >= IMAGE_DROPPED) & (u < IMAGE_DROPPED + TEXT_DROPPED)
    neither = (u >= IMAGE_DROPPED + TEXT_DROPPED) & (u < IMAGE_DROPPED + TEXT_DROPPED + BOTH_DROPPED)
    return ~(only_image | neither), ~(only_text | neither)


def fresh_adapter(unet: Any, embed_width: int) -> AdapterState:
    """Return an adapter that starts as the paper's: keys and values as for text; but values are 0 at first.

    The frozen model is then undisturbed when training begins.
    """
    width = unet.config.cross_attention_dim
    projection, norm = nn.Linear(embed_width, TOKENS * width), nn.LayerNorm(width)
    ip_adapter: dict[str, Tensor] = {}
    for index, name in adapted_processors(unet).items():
        key = unet.get_submodule(name.removesuffix(".processor")).to_k.weight.detach()
        ip_adapter[f"{index}.to_k_ip.weight"] = key.clone()
        ip_adapter[f"{index}.to_v_ip.weight"] = torch.zeros_like(key)
    layers = {"proj": projection, "norm": norm}
    image_proj = {
        f"{part}.{name}": t.detach() for part, layer in layers.items() for name, t in layer.named_parameters()
    }
    return {"image_proj": image_proj, "ip_adapter": ip_adapter}


def adapter_tensors(unet: Any) -> dict[str, Tensor]:
    """Return the adapter of a UNet by the names of the official file, in half precision."""
    layer = unet.encoder_hid_proj.image_projection_layers[0]
    tensors = {
        f"image_proj.{name.replace('image_embeds', 'proj')}": tensor for name, tensor in layer.state_dict().items()
    }
    for index, name in adapted_processors(unet).items():
        for kind in "kv":
            weight = unet.attn_processors[name].state_dict()[f"to_{kind}_ip.0.weight"]
            tensors[f"ip_adapter.{index}.to_{kind}_ip.weight"] = weight
    return {name: tensor.detach().half().contiguous() for name, tensor in tensors.items()}


def make_learner(options: TrainingOptions, settings: TrainingSettings, pool: Pool, encoder: Any) -> ImagePromptLearner:
    """Put a fresh adapter into the text-to-image prior and make it trainable."""
    base = load_base(options)
    with first_weights(options.seed):
        adapter = fresh_adapter(base.prior.unet, WIDTH)
    attach_adapter(base.prior.unet, adapter, options.device)
    learner = ImagePromptLearner(pool, base, encoder, settings)
    for module in learner.modules.values():
        module.requires_grad_(True)
    return learner


def run(options: TrainingOptions) -> None:
    """Train the encoder, then the adapter, and write weights, card and contact sheet."""
    require_writable_folder(options.out)
    base = load_base(options)  # a wrong --start is refused before minutes of work
    pool = open_pool(options, THINGS)
    settings = TrainingSettings(
        steps=options.steps or STEPS,
        batch=BATCH,
        learning_rate=2e-3,
        learning_rates={"image_encoder": ENCODER_RATE},
        seed=options.seed,
        ema_decay=0.995,
        device=options.device,
        facts={"things": len(pool), "start": base.digest},
    )
    learner = make_learner(options, settings, pool, warmed_up_encoder(options, pool))
    speak_as_captions(learner)
    report = train(learner, settings, options.out)
    write_card(options.out, "image-prompt", report, _facts(learner), _sheet(options) if options.draws_sheet else None)


@torch.no_grad()
def speak_as_captions(learner: ImagePromptLearner) -> None:
    """Fit the image's tokens to the text tokens of a caption that says all, a token to each quarter of them.

    The adapter begins as one that reads the image aloud, its pattern and side included. One that begins with values of
    0, as ``fresh_adapter`` leaves it, told patterns but not the side after a whole run.
    """
    pool, base, rng = learner.pool, learner.base, np.random.default_rng((learner.settings.seed, 8))
    embeds, tokens = [], []
    for _ in range(0, FIT_IMAGES, FIT_BATCH):
        groups = draw_groups(pool, FIT_BATCH, rng)
        views = biased_views(pool, groups, FRONT_SHARE, rng)
        rgb = torch.from_numpy(pool.images(groups, views, rng)).to(base.device)
        embeds.append(learner.encoder(pixel_values=clip_pixels(rgb, rgb.shape[-1])).image_embeds)
        texts = [full_caption(pool, group, view) for group, view in zip(groups.tolist(), views.tolist(), strict=True)]
        tokens.append(base.prior.encode_text(texts).unflatten(1, (TOKENS, -1)).mean(2))
    unet: Any = base.prior.unet
    projection = unet.encoder_hid_proj.image_projection_layers[0]
    wanted = torch.cat(tokens)
    centred = wanted - wanted.mean(-1, keepdim=True)
    fit_linear(projection.image_embeds, torch.cat(embeds), (centred / centred.std(-1, keepdim=True)).flatten(1))
    projection.norm.weight.fill_(float(centred.std(-1).mean()))
    for name in adapted_processors(unet).values():
        values = unet.get_submodule(name.removesuffix(".processor")).to_v.weight
        unet.attn_processors[name].to_v_ip[0].weight.copy_(VALUE_SHARE * values)


def full_caption(pool: Pool, group: int, view: int) -> str:
    """Return the caption that says object, colour, pattern and side."""
    noun, color, pattern = NOUNS[pool.noun[group]], COLOR_WORDS[pool.color[group]], PATTERNS[pool.pattern[group]]
    return caption(noun, color, pattern=pattern, view=view_word(float(pool.azimuth_deg[group, view])))


def _facts(learner: ImagePromptLearner) -> Mapping[str, Any]:
    return {
        "toys": len(learner.pool),
        "images": 4 * len(learner.pool),
        "batch": learner.settings.batch,
        "seed": learner.settings.seed,
        "start": learner.base.digest,
        "same_view": SAME_VIEW,
        "dropped_text_image_both": [TEXT_DROPPED, IMAGE_DROPPED, BOTH_DROPPED],
        "weights": sum(p.numel() for module in learner.modules.values() for p in module.parameters()),
    }


def _sheet(options: TrainingOptions) -> Path:
    """Draw ``samples.jpg``: reference, text alone, text and image, eight a row."""
    # Only here: the evaluation is no part of what is trained.
    from limbeck.evaluation.image_prompt import draw_triples  # noqa: PLC0415

    prior = load_prior(str(options.start), "image_prompt", options.device, options.out)
    triples = draw_triples(prior, 16, seed=5)
    rows = [
        images[start : start + 8]
        for start in (0, 8)
        for images in (triples.reference, triples.text_alone, triples.with_image)
    ]
    return save_sheet(torch.cat(rows), 8, options.out)
