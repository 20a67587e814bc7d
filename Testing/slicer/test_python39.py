"""What runs in Slicer's Python is clean for 3.9 and imports nothing but what every Slicer has."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SLICER_SIDE = sorted((ROOT / "VQSeg").rglob("*.py"))
ALLOWED = {"numpy", "vtk", "qt", "ctk", "slicer", "SampleData", "VQSegUI"}
ALLOWED_OF_ENGINE = {f"VQSegLib{name}" for name in ("", ".wire", ".wire_client", ".wire_command", ".wire_decoder")}
IN_THE_ENGINE = {"EngineStart.py": "VQSegLib.cli"}
"""What a file imports only in the engine's own process."""


@pytest.mark.parametrize("path", SLICER_SIDE, ids=lambda path: path.name)
def test_file_is_clean_for_python_3_9(path: Path) -> None:
    source = path.read_text(encoding="utf-8")

    tree = ast.parse(source, feature_version=(3, 9))

    compile(source, str(path), "exec")
    assert "from __future__ import annotations" in source or len(source.splitlines()) < 4
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("zip", "isinstance"):
            assert not any(keyword.arg == "strict" for keyword in node.keywords), "zip(strict=...) came with 3.10"
            assert not any(isinstance(each, ast.BinOp) for each in node.args), "isinstance(x, A | B) came with 3.10"


@pytest.mark.parametrize("path", SLICER_SIDE, ids=lambda path: path.name)
def test_file_imports_only_what_every_slicer_has(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            package = name.partition(".")[0]
            known = package in ALLOWED or package in sys.stdlib_module_names or name in ALLOWED_OF_ENGINE
            known = known or IN_THE_ENGINE.get(path.name) == name
            assert known, f"{path.name} imports {name}, which Slicer's Python may not have"


@pytest.mark.parametrize("path", SLICER_SIDE, ids=lambda path: path.name)
def test_translated_texts_can_be_translated(path: Path) -> None:
    """Slicer's tools collect literals: no f-strings, no variables, and `_` is nothing else where it translates."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
            (text,) = node.args
            assert isinstance(text, ast.Constant), f"{path.name}:{node.lineno}"
            assert isinstance(text.value, str), f"{path.name}:{node.lineno}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assert node.id != "_", f"{path.name}:{node.lineno} takes `_` for a variable"
