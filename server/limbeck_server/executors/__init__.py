# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Executors place, watch and kill worker processes; workers dial home by themselves."""
