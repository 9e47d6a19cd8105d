# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Diffusion priors behind one protocol: whatever the model predicts, a prior answers in eps."""
