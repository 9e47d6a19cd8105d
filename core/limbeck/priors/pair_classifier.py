# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""C(I) of JointDreamer (arXiv:2407.12291, supplement 1.1): are two images views of one object, this camera apart?

The energy of a pair is the logit; it is differentiable with respect to the images. One code serves two backbones, both
transformers' ViTModel in its own folder layout: the small one that ships, and DINO ViT-S/16.

Where this departs from the paper: the relative camera is ``M1^-1 M2`` with unit distances (the released code multiplies
by the transpose, which is no relative camera); an image scaled by 1/2 or 1/3 has the nearest whole number of patches,
so that no pixel is cut off; the last weight's norm is learned, for one fixed at 1 keeps every logit within 1 of 0; and
the head reads the camera itself (``pair_head``).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import ViTModel

from limbeck.priors.files import frozen, load_weights, reported_as_incomplete
from limbeck.priors.pair_head import PairHead

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class PairSettings:
    """What the weights alone do not say; ``config.json`` holds it.

    Attributes:
        image_size: pixels per side that the backbone sees at scale 1.
        mean, std: its normalisation of sRGB in 0 to 1.
        scales: an image's feature is the mean of its CLS tokens at these scales.
        frozen_layers: the embeddings and this many first layers of the backbone are not trained.
    """

    image_size: int = 64
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    scales: tuple[float, ...] = (1.0, 1 / 2, 1 / 3)
    frozen_layers: int = 0

    def __post_init__(self) -> None:
        """Refuse what no image can be scaled to."""
        if self.image_size < 1 or not self.scales or not all(0 < scale <= 1 for scale in self.scales):
            raise ValueError(
                f"expected a positive image_size and scales in 0 to 1, got {self.image_size}, {self.scales}"
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"expected three means and three positive stds, got {self.mean}, {self.std}")


DINO = PairSettings(224, IMAGENET_MEAN, IMAGENET_STD, frozen_layers=9)
"""For DINO ViT-S/16: ImageNet's normalisation; blocks 0 to 8 frozen, 9 to 11 trained."""


class PairClassifier(nn.Module):
    """A backbone and a head. The backbone's result can be shared by all the pairs that an image is in."""

    def __init__(self, vit: ViTModel, settings: PairSettings) -> None:
        """Take a backbone; the head starts at random."""
        super().__init__()
        self.settings = settings
        self.vit = vit
        self.head = PairHead(vit.config.hidden_size)

    def features(self, rgb: Float[Tensor, "images 3 H W"]) -> Float[Tensor, "images width"]:
        """Return the mean over scales of the CLS token of sRGB images in 0 to 1 of any size."""
        mean, std = (torch.tensor(value).to(rgb)[:, None, None] for value in (self.settings.mean, self.settings.std))
        rgb = (rgb - mean) / std
        tokens = [self._cls(rgb, size) for size in self.sizes()]
        return torch.stack(tokens).mean(0)

    def sizes(self) -> tuple[int, ...]:
        """Return the pixels per side at each scale: whole patches."""
        patch: Any = self.vit.config.patch_size
        return tuple(patch * max(1, round(self.settings.image_size * scale / patch)) for scale in self.settings.scales)

    def _cls(self, rgb: Tensor, size: int) -> Tensor:
        if rgb.shape[-2:] != (size, size):
            rgb = interpolate(rgb, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
        return self.vit(rgb, interpolate_pos_encoding=True).last_hidden_state[:, 0]

    def forward(
        self,
        first: Float[Tensor, "pairs 3 H W"],
        second: Float[Tensor, "pairs 3 H W"],
        relative: Float[Tensor, "pairs 4 4"],
    ) -> Float[Tensor, " pairs"]:
        """Return the logit of each pair of images; above 0 they are two views of one object, ``relative`` apart."""
        features = self.features(torch.cat([first, second]))
        return self.head(features[: len(first)], features[len(first) :], relative)

    def freeze_first_layers(self) -> None:
        """Stop training the embeddings and the first ``frozen_layers`` layers, where the settings say so."""
        if self.settings.frozen_layers:
            frozen = [self.vit.embeddings, *self.vit.layers[: self.settings.frozen_layers]]
            for module in frozen:
                module.requires_grad_(False)


def relative_cameras(
    first_c2w: Float[Tensor, "pairs 4 4"], second_c2w: Float[Tensor, "pairs 4 4"]
) -> Float[Tensor, "pairs 4 4"]:
    """Return ``M1^-1 M2``: the second camera as the first sees it, both at distance 1 from the origin."""
    first, second = _at_unit_distance(first_c2w), _at_unit_distance(second_c2w)
    relative = torch.zeros_like(first)
    to_first = first[:, :3, :3].transpose(1, 2)
    relative[:, :3, :3] = to_first @ second[:, :3, :3]
    relative[:, :3, 3] = (to_first @ (second[:, :3, 3:] - first[:, :3, 3:]))[..., 0]
    relative[:, 3, 3] = 1.0
    return relative


def _at_unit_distance(c2w: Tensor) -> Tensor:
    scaled = c2w.clone()
    scaled[:, :3, 3] /= c2w[:, :3, 3].norm(dim=-1, keepdim=True).clamp_min(1e-8)
    return scaled


def pair_logits(
    classifier: PairClassifier, rgb: Float[Tensor, "views 3 H W"], c2w: Float[Tensor, "views 4 4"]
) -> Float[Tensor, " pairs"]:
    """Return the logits of all ordered pairs (i, j), i != j, of views: 0-1, 0-2, ..., 1-0, 1-2, ...

    Their mean is the energy C(I) of the views, larger where they agree.
    """
    features = classifier.features(rgb)
    order = torch.arange(len(rgb), device=rgb.device)
    i, j = torch.cartesian_prod(order, order).unbind(-1)
    i, j = i[i != j], j[i != j]
    return classifier.head(features[i], features[j], relative_cameras(c2w[i], c2w[j]))


def save_pair_classifier(classifier: PairClassifier, folder: Path) -> None:
    """Write ``vit/`` (transformers' layout), ``head.safetensors`` (both float16) and ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    state: Any = {name: value.detach().half().contiguous() for name, value in classifier.vit.state_dict().items()}
    half = ViTModel(classifier.vit.config, add_pooling_layer=False).half()
    half.load_state_dict(state)
    half.save_pretrained(folder / "vit")
    head = {name: value.detach().half().contiguous().cpu() for name, value in classifier.head.state_dict().items()}
    save_file(head, folder / "head.safetensors")
    (folder / "config.json").write_text(json.dumps(asdict(classifier.settings), indent=2) + "\n", encoding="utf-8")


def load_pair_classifier(folder: Path, device: torch.device) -> PairClassifier:
    """Load what ``save_pair_classifier`` wrote, frozen and in float32.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("pair classifier", folder, "config.json, head and vit"):
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        classifier = PairClassifier(_read_vit(folder / "vit"), _settings(settings))
        head = load_file(folder / "head.safetensors")
        classifier.head.load_state_dict({name: value.float() for name, value in head.items()})
    return frozen(classifier, device)


def load_backbone(folder: Path, settings: PairSettings = DINO) -> PairClassifier:
    """Return an untrained head on a ViT from a folder in transformers' layout, such as DINO ViT-S/16's.

    Raises:
        LimbeckError: E_MODEL_INCOMPLETE.
    """
    with reported_as_incomplete("backbone", folder, "config.json and a ViT's model"):
        classifier = PairClassifier(_read_vit(folder), settings)
        if settings.frozen_layers > len(classifier.vit.layers):
            raise ValueError(f"it has {len(classifier.vit.layers)} layers, fewer than {settings.frozen_layers}")
    classifier.freeze_first_layers()
    return classifier


def _read_vit(folder: Path) -> ViTModel:
    if not (folder / "model.safetensors").is_file():  # else transformers would look for the name on its hub
        raise FileNotFoundError(f"it has no {folder.name}/model.safetensors")
    return load_weights(ViTModel, folder, add_pooling_layer=False)


def _settings(fields: Any) -> PairSettings:
    if not isinstance(fields, dict):
        raise TypeError(f"its config.json holds {type(fields).__name__}, not an object")
    plain: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    return PairSettings(**plain)
