# SPDX-FileCopyrightText: 2026 The Limbeck authors
# SPDX-License-Identifier: Apache-2.0
"""No code here can be made to run what somebody sent: no pickle in any disguise, no eval, no unsafe loader."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("core", "server", "blender_addon", "packaging", "benchmarks")
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle", "yaml"}
CALLS = {"eval", "exec", "execfile", "__import__"}
METHODS = {"recv_pyobj", "send_pyobj", "recv_serialized", "read_pickle", "to_pickle", "unsafe_load", "full_load"}


def findings(source: str) -> list[str]:
    """Return what is unsafe in a module's source."""
    return [found for node in ast.walk(ast.parse(source)) for found in _in_node(node)]


def _in_node(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
    if isinstance(node, ast.ImportFrom):
        names = {(node.module or "").split(".")[0], *(alias.name for alias in node.names)}
        return sorted(names & (MODULES | METHODS))
    if isinstance(node, ast.Call):
        return _in_call(node)
    return []


def _in_call(call: ast.Call) -> list[str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    if isinstance(call.func, ast.Name):
        return [call.func.id] if call.func.id in CALLS else []
    if not isinstance(call.func, ast.Attribute):
        return []
    owner = call.func.value.id if isinstance(call.func.value, ast.Name) else ""
    name = call.func.attr
    if name in METHODS:
        return [name]
    if owner == "torch" and name == "load" and not _is(keywords.get("weights_only"), True):
        return ["torch.load without weights_only=True"]
    if owner in ("np", "numpy") and name == "load" and not _is(keywords.get("allow_pickle"), False):
        return ["numpy.load without allow_pickle=False"]
    return ["shell=True"] if _is(keywords.get("shell"), True) else []


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_code_holds_nothing_that_runs_what_was_sent(folder: str) -> None:
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert paths
    found = {str(path.relative_to(ROOT)): findings(path.read_text(encoding="utf-8")) for path in paths}
    assert {path: what for path, what in found.items() if what} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as harmless",
        "from pickle import loads",
        "import a.b, marshal",
        "from torch.serialization import pickle",
        "import yaml",
        "eval(text)",
        "exec(code)",
        "socket.recv_pyobj()",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "numpy.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
    ],
)
def test_the_search_finds_what_it_looks_for(source: str) -> None:
    assert findings(source)


@pytest.mark.parametrize(
    "source", ["model.eval()", "np.load(p, allow_pickle=False)", "torch.load(p, weights_only=True)"]
)
def test_the_search_leaves_the_harmless_alone(source: str) -> None:
    assert findings(source) == []
