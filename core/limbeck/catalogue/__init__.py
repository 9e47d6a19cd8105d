# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Published weights: what there is, under which licence, and how it comes onto this machine. Imports no torch."""
