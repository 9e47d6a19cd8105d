# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m limbeck_server`` is the ``limbeck`` command."""

from limbeck_server.cli import main

if __name__ == "__main__":
    main()
