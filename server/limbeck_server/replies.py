# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a request is answered with."""

from __future__ import annotations

from dataclasses import dataclass, field

from numpy.typing import NDArray


@dataclass(frozen=True)
class Reply:
    """The answer to a request: a message and its buffers."""

    message: object
    arrays: dict[str, NDArray] = field(default_factory=dict)
