# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Limbeck's core: score distillation from a prompt to a 3D mesh with vertex colours.

Importing this package is cheap; torch is imported by the modules that compute.
"""

__version__ = "0.1.0"
