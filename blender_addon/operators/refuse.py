# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every operator says that it has done nothing, and why."""

from typing import Any, Protocol

from ..texts import translated


class Refusal(Protocol):
    """An error with what to do about it: DescriptionError, AssetError, the protocol's JobError."""

    message: str
    remedy: str


def refuse(operator: Any, error: Refusal) -> set[str]:
    """Report why an operator did nothing, with the remedy."""
    operator.report({"ERROR"}, "; ".join(translated(text) for text in (error.message, error.remedy) if text))
    return {"CANCELLED"}


def refuse_text(operator: Any, text: str, **values: Any) -> set[str]:
    """Report why an operator did nothing: an English text, with names and numbers for its braces."""
    operator.report({"ERROR"}, translated(text).format(**values))
    return {"CANCELLED"}
