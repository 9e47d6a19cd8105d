# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What the embedded judges, which no distillation uses, see on a contact sheet of an asset's eight sides."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from limbeck.evaluation.loading import Judges
from limbeck.playset.things import COLOR_WORDS, NOUNS

COLUMNS, ROWS = 4, 2
SQUARE_VIEWS = slice(0, None, 2)
"""Of eight azimuths 45 degrees apart: front, both sides, back."""


@dataclass(frozen=True)
class Verdict:
    """An asset as it is seen.

    Attributes:
        object_share, color_share: of the eight views, those judged to show the object and colour of the prompt.
        fronts: how many of front, sides and back are judged front views; 1 is right.
        is_front_first: whether the front view is one of them.
    """

    object_share: float
    color_share: float
    fronts: int
    is_front_first: bool


@torch.no_grad()
def judge_sheet(path: Path, noun: str, color: str, judges: Judges) -> Verdict:
    """Judge a contact sheet as ``limbeck generate --contact-sheet`` writes it."""
    sheet = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
    side = sheet.shape[0] // ROWS
    tiles = sheet.reshape(ROWS, side, COLUMNS, side, 3).transpose(0, 2, 4, 1, 3).reshape(ROWS * COLUMNS, 3, side, side)
    rgb = torch.from_numpy(np.ascontiguousarray(tiles))
    seen = judges.classifier(rgb)
    is_front = (judges.front.views(rgb) == 0)[SQUARE_VIEWS]
    return Verdict(
        float((seen.noun.argmax(1) == NOUNS.index(noun)).float().mean()),
        float((seen.color.argmax(1) == COLOR_WORDS.index(color)).float().mean()),
        int(is_front.sum()),
        bool(is_front[0]),
    )
