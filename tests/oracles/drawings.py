# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Small pictures whose object is known: a disc."""

import io

import numpy as np
from PIL import Image

RED = (200, 40, 30)


def disc(width=96, height=64, *, centre=(60, 24), radius=12, color=RED, behind=(0, 0, 0, 0)):
    """A disc over a uniform RGBA colour, as an RGBA picture."""
    y, x = np.mgrid[:height, :width] + 0.5
    is_disc = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    return Image.fromarray(np.where(is_disc[..., None], (*color, 255), behind).astype(np.uint8))


def encoded(image, file_format="PNG", **options):
    """The file's content."""
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def shuffled(content, seed):
    """The content with a few of its bytes changed."""
    generator = np.random.default_rng(seed)
    changed = np.frombuffer(content, np.uint8).copy()
    at = generator.integers(8, len(changed), 1 + len(changed) // 100)
    changed[at] = generator.integers(0, 256, len(at))
    return changed.tobytes()
