# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""The table that compares Limbeck with others claims nothing without a proof."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
DOCS = HERE.parents[1] / "docs"
ROWS = [line for line in (DOCS / "rivals.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip())
def test_row_names_a_proof_that_exists(row: str) -> None:
    proof = row.split("|")[-2]
    tests = re.findall(r"`([\w./]+)::(test_\w+)`", proof)
    files = re.findall(r"\]\(([\w./-]+)\)", proof)
    assert tests or files, "a proof is a test or a file"
    for file, name in tests:
        assert f"def {name}(" in (HERE / file).read_text(encoding="utf-8")
    for file in files:
        assert (DOCS / file).is_file()
