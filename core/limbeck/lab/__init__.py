# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The lab: what the papers claim, measured on the embedded priors, whose true shapes and fronts are known."""
