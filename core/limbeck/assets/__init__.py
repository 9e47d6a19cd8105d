# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""From a representation to files: extract, clean, simplify, colour, look at and write meshes, in numpy.

Everything here is in the world of ``limbeck.cameras`` (right-handed, z up, front -Y); a writer that needs another frame
says so.
"""
