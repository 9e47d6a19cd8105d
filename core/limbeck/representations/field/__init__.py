# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Radiance fields: a dense voxel grid with compiled CPU kernels, and a hash grid in plain torch."""
