# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Every role of a prior as a random model of a few thousand weights, in one folder."""

from pathlib import Path

import torch
from transformers import ViTConfig, ViTModel

from limbeck.priors.control import controlnet_like
from limbeck.priors.loading import load_prior
from limbeck.priors.pair_classifier import PairClassifier, PairSettings, save_pair_classifier
from tiny_models import CPU, write_ip_adapter, write_novel_view, write_text_to_image


def write_family(folder: Path) -> Path:
    """Write text_to_image, multi_view, image_prompt, novel_view, structure and pair_classifier, on one autoencoder."""
    write_text_to_image(folder / "text_to_image")
    write_text_to_image(folder / "multi_view", class_embed_type="projection", projection_class_embeddings_input_dim=16)
    write_ip_adapter(folder / "image_prompt")
    write_novel_view(folder / "novel_view")
    for role in ("multi_view", "novel_view"):
        for file in (folder / "text_to_image" / "vae").iterdir():
            (folder / role / "vae" / file.name).write_bytes(file.read_bytes())
    torch.manual_seed(3)
    unet = load_prior(str(folder), "text_to_image", CPU).unet
    controlnet_like(unet, 8).save_pretrained(folder / "structure" / "controlnet")
    config = ViTConfig(
        hidden_size=8, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=64, patch_size=16
    )
    classifier = PairClassifier(ViTModel(config, add_pooling_layer=False), PairSettings(scales=(1.0,)))
    save_pair_classifier(classifier, folder / "pair_classifier")
    return folder
