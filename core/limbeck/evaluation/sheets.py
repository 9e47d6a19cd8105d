# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Judged pictures on one sheet, to be looked at."""

from __future__ import annotations

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limbeck.assets.contact_sheet import tile, to_uint8

COLUMNS = 16
MOST = 256


def picture_sheet(rgb: Float[Tensor, "pictures 3 H W"]) -> Image.Image:
    """Lay the first 256 pictures, sRGB in 0 to 1, out in rows of 16."""
    return Image.fromarray(tile(to_uint8(rgb[:MOST].permute(0, 2, 3, 1).cpu().numpy()), COLUMNS))
