# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Under which licence a prior's weights are, as far as its files say: an asset's metadata repeats it."""

from __future__ import annotations

import re
from pathlib import Path

from limbeck.catalogue.entries import CATALOGUE

EMBEDDED_LICENCE = "Apache-2.0"
UNKNOWN_LICENCE = "unknown"


def weights_licence(prior: str) -> str:
    """Return the licence of the embedded family or of aliases of the catalogue, or what a folder's model card states.

    Model cards (README.md) begin with a block of YAML between two lines of dashes; its key ``license`` counts, or
    ``license_name`` where that is "other". Without either the answer is "unknown".
    """
    if prior == "embedded":
        return EMBEDDED_LICENCE
    aliases = [alias for alias in prior.split("+") if alias in CATALOGUE]
    if aliases and not Path(prior).is_dir():
        return " and ".join(dict.fromkeys(CATALOGUE[alias].licence.name for alias in aliases))
    try:
        card = Path(prior, "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return UNKNOWN_LICENCE
    front = re.match(r"---\s*\n(.*?)\n---", card, re.DOTALL)
    stated = dict(re.findall(r"^(license|license_name):\s*[\"']?([^\s\"']+)", front.group(1), re.M)) if front else {}
    licence = stated.get("license", UNKNOWN_LICENCE)
    return stated.get("license_name", licence) if licence == "other" else licence
