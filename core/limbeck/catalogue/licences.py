# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The licences of published weights, in plain words. No legal advice: the licence itself counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Licence:
    """A licence.

    Attributes:
        name: its usual name.
        in_short: what a user may and must not do, in a sentence.
        is_gated: whether it must be accepted on the model's page before a download.
    """

    name: str
    in_short: str
    is_gated: bool = False


_RAIL = "commercial use is allowed; a list of harmful uses is forbidden, and passed on with the weights"
OPENRAIL_M = Licence(
    "CreativeML Open RAIL-M",
    _RAIL,
)
OPENRAIL_PP = Licence(
    "CreativeML Open RAIL++-M",
    _RAIL,
)
DEEPFLOYD = Licence(
    "DeepFloyd IF License Agreement",
    "research only; it must be accepted on the model's page before the download",
    is_gated=True,
)
MIT = Licence("MIT", "any use; keep the notice")
APACHE = Licence("Apache-2.0", "any use; keep the notice and say what was changed")
