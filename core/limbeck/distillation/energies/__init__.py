# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Energies of joint score distillation: how coherent the views of one object are with one another."""
