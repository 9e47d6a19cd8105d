# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Procedural toys with exact geometry, and a fast renderer: training data of the embedded priors, and ground truth."""
