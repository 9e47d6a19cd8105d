# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Silence the libraries that draw progress bars of their own between ours. Imports torch."""

from __future__ import annotations

import diffusers.utils.logging
import transformers.utils.logging


def quiet_libraries() -> None:
    """Keep diffusers and transformers to errors, without progress bars."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
