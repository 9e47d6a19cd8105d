# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Make every draw of a test the same in every run."""
    torch.manual_seed(0)
