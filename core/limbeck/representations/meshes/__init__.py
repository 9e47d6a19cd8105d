# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes as a representation: a differentiable rasteriser, and colours that live in space."""
