# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""Find every text of the extension's interface that Blender or the extension translates, in its source code."""

import ast
from collections.abc import Iterator
from pathlib import Path

TABLES = {"PHASES", "STAGES", "LABELS", "SUMMARIES", "QUALITIES", "_LINES", "_DOING", "_ALLOWED"}
"""Module-level dictionaries whose values are shown, or tuples of which the text comes first and the remedy last."""
CONSTANTS = {"LOCKED", "NO_JOB", "NO_SERVER", "NOT_SENT"}
KEYED = {"BUILT_IN"}
"""Module-level dictionaries whose keys are shown."""
DRAWN = {"label", "operator", "prop", "menu", "progress", "popover", "panel", "template_list"}
REASONS = ("why_no_server", "why_not")
"""Functions that return a reason which is shown."""
FIRST = {"translated", "Fix"}
"""Calls whose first argument is a text that is shown."""
SECOND = {"draw_wrapped", "refuse_text"}
"""Calls whose second argument is one."""
NOT_WORDS = {"", "Limbeck", "px", "GLB"}


def interface_texts(folder: Path) -> dict[str, str]:
    """Return each text and one place where it stands."""
    found: dict[str, str] = {}
    for file in sorted(folder.rglob("*.py")):
        if "languages" in file.parts:
            continue
        tree = ast.parse(file.read_text("utf-8"))
        for text, line in _texts(tree):
            if text.strip() not in NOT_WORDS and any(letter.isalpha() for letter in text):
                found.setdefault(text, f"{file.relative_to(folder)}:{line}")
    return found


def _texts(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from _of_class(node)
        elif isinstance(node, ast.Call):
            yield from _of_call(node)
        elif isinstance(node, ast.FunctionDef) and node.name.lstrip("_").startswith(REASONS):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _strings(inner.value)
    for statement in tree.body:
        yield from _of_table(statement)


def _of_class(node: ast.ClassDef) -> Iterator[tuple[str, int]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and _name(statement.targets[0]) in ("bl_label", "bl_description"):
            yield from _strings(statement.value)


def _of_call(node: ast.Call) -> Iterator[tuple[str, int]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)
    keywords = {keyword.arg: keyword.value for keyword in node.keywords}
    if name.endswith("Property") and "HIDDEN" not in ast.dump(keywords.get("options", ast.Constant(""))):
        yield from _strings(keywords.get("name"))
        yield from _strings(keywords.get("description"))
        yield from _of_items(keywords.get("items"))
    elif name in SECOND and len(node.args) > 1:
        yield from _strings(node.args[1])
    elif name in DRAWN and isinstance(node.func, ast.Attribute):
        is_name = isinstance(translate := keywords.get("translate"), ast.Constant) and translate.value is False
        yield from () if is_name else _strings(keywords.get("text"))
        yield from _strings(keywords.get("placeholder"))
    elif name in FIRST and node.args:
        yield from _strings(node.args[0])


def _of_table(node: ast.stmt) -> Iterator[tuple[str, int]]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    name, value = (_name(targets[0]), getattr(node, "value", None)) if targets else ("", None)
    if isinstance(value, ast.Dict) and name in TABLES:
        for entry in value.values:
            yield from _of_entry(entry)
    elif isinstance(value, ast.Dict) and name in KEYED:
        for key in value.keys:
            yield from _strings(key)
    elif _are_items(value):
        yield from _of_items(value)
    elif isinstance(value, ast.Constant) and name in CONSTANTS:
        yield from _strings(value)


def _of_entry(entry: ast.expr) -> Iterator[tuple[str, int]]:
    """Iterate over the texts of a table's value: itself, or the first and last of a tuple, with an icon between."""
    if isinstance(entry, ast.Tuple):
        yield from _strings(entry.elts[0])
        yield from _strings(entry.elts[-1])
    else:
        yield from _strings(entry)


def _are_items(value: ast.expr | None) -> bool:
    """Return whether an expression looks like the items of an enumeration: identifiers in capitals, with two texts."""
    items = value.elts if isinstance(value, ast.Tuple | ast.List) else []
    firsts = [item.elts[0] for item in items if isinstance(item, ast.Tuple) and len(item.elts) >= 3]
    names = [first.value for first in firsts if isinstance(first, ast.Constant) and isinstance(first.value, str)]
    return bool(names) and len(names) == len(items) and all(name.upper() == name for name in names)


def _of_items(value: ast.expr | None) -> Iterator[tuple[str, int]]:
    for item in value.elts if isinstance(value, ast.Tuple | ast.List) else ():
        if isinstance(item, ast.Tuple) and len(item.elts) >= 3:
            yield from _strings(item.elts[1])
            yield from _strings(item.elts[2])


def _strings(value: ast.expr | None) -> Iterator[tuple[str, int]]:
    """Iterate over the literal strings that an expression may be: also both sides of a condition."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value, value.lineno
    elif isinstance(value, ast.IfExp):
        yield from _strings(value.body)
        yield from _strings(value.orelse)
    elif isinstance(value, ast.BoolOp):
        for part in value.values:
            yield from _strings(part)


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
