# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""An engine whose worker ends while it is imported, as where a library of the machine is broken."""

import os

os._exit(1)
