# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Judges of what the priors draw: networks that no distillation sees the gradients of, and the figures they give."""
