# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What several recipes share."""

from __future__ import annotations

from limbeck.distillation.regularisers import Regularisers
from limbeck.schedules import Schedule, linear

CLEAR_SPACE = Regularisers(
    sparsity=linear(40.0, 100.0),
    opaqueness=linear(0.0, 100.0, begin=0.3),
    camouflage=Schedule(((0.0, 0.0), (0.2, 30.0))),
)
"""Keeps space empty round the object. A prior that knows one background lets fog in its colour grow for free; these
weights, found on the embedded prior, remove it without eating white parts."""
