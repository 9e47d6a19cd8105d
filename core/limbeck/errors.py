# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The one error type that leaves the core: what went wrong, and what to do about it."""


class LimbeckError(Exception):
    """A failure that the user can act on.

    Attributes:
        code: stable name such as ``E_RECIPE_UNKNOWN``; scripts match on it.
        message: one sentence, what was expected and what came.
        remedy: one sentence, what to do.
    """

    def __init__(self, code: str, message: str, remedy: str) -> None:
        super().__init__(code, message, remedy)
        self.code = code
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code}: {self.message}; {self.remedy}"
