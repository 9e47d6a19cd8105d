# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Methods that are another recipe with a few settings changed: what ``--set`` would do, under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Variant:
    """A recipe that is another one, changed.

    Attributes:
        base: the other recipe's name.
        settings: what ``--set`` would change.
    """

    base: str
    settings: Mapping[str, Any]


ALONE = {"terms.1": None, "weight": 1.0}
"""ModeDreamer's image term without the multi-view one."""

VARIANTS: Mapping[str, Variant] = {
    "luciddreamer-naive": Variant("luciddreamer", {"guidance.multi_step": "on", "variate": "noise"}),
    "isd": Variant("modedreamer", ALONE),
    "isd-shifted": Variant("modedreamer", {**ALONE, "variate": "base_shifted"}),
    "ip-sds": Variant("modedreamer", {**ALONE, "variate": "noise"}),
    "ip-vsd": Variant("modedreamer", {**ALONE, "variate": "lora", "variate.learning_rate": 1e-3}),
    "jointdreamer-i": Variant("jointdreamer", {"energies": "classifier"}),
    "jointdreamer-ii": Variant("jointdreamer", {"energies": "novel_view"}),
    "jointdreamer-i-iii": Variant("jointdreamer", {"energies": "classifier,multiview"}),
    "gsd-vsd": Variant("gsd", {"variate": "lora", "variate.learning_rate": 1e-3, "guidance_scale": 7.5}),
}
