# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""A recipe put to work: what it starts from, its views, its loop, and the state that a checkpoint holds."""
