# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Types of command-line options: what is out of range is refused before anything is loaded."""

from __future__ import annotations

import argparse

LARGEST_SEED = 2**31 - 1
"""Seeds are multiplied by a million where batches are drawn; 64 bits must hold that."""


def positive(text: str) -> int:
    """Return a whole number of 1 or more.

    Raises:
        argparse.ArgumentTypeError, ValueError: argparse says so and ends with status 2.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {value}")
    return value


def seed(text: str) -> int:
    """Return a seed.

    Raises:
        argparse.ArgumentTypeError, ValueError: argparse says so and ends with status 2.
    """
    value = int(text)
    if not 0 <= value <= LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"expected a seed from 0 to {LARGEST_SEED}, got {value}")
    return value
