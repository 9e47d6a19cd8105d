# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Score distillation as one residual (ARCHITECTURE.md, "One equation"): each file here is one factor of it.

``sampling.py`` draws pictures by the same guidance.
"""
