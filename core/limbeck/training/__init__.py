# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""How the embedded priors were made: one command per prior, seeded, with checkpoints and resume."""
