# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""What a run will need, said before it: memory, time, and what to change where there is too little."""
