"""Who may import whom, and what stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = (
    {"__init__", "errors", "documents"},
    {"wire", "wire_body", "wire_decoder", "wire_command", "wire_client"},
    {"atomic_files", "leftovers", "native_output", "kept_memory", "device_turns", "failure_log", "process_log"},
    {"labels", "volume", "box", "orientation", "label_crops", "largest_component", "scan_checks"},
    {"image_files", "image_checks", "nifti_checks", "dicom_files", "dicom_header", "dicom_series", "dicom_slices"},
    {"models"},
    {"methods"},
    {"training", "inference", "project", "evaluation"},
    {"comparison", "runs", "export", "pool"},
    {
        "resources",
        "output_checks",
        "browsing",
        "service_results",
        "project_results",
        "model_results",
        "request_helpers",
        "last_model",
        "scan_turn",
    },
    {"project_review", "submission"},
    {
        "scan_service",
        "project_service",
        "case_service",
        "transfer_service",
        "pool_service",
        "model_service",
        "run_service",
    },
    {"service", "demo", "demo_loop"},
    {"commands", "worker", "cli", "benchmarks"},
)
LEVELS = {name: level for level, names in enumerate(LAYERS) for name in names}
FORBIDDEN = {"slicer", "qt", "ctk", "vtk", "PythonQt", "SegmentEditorEffects"}
MODULES = sorted((ROOT / "VQSegLib").rglob("*.py"))


def _imports(file: Path) -> set[str]:
    """Return the dotted names a file imports anywhere, also inside functions; type-checking imports count too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} uses a relative import"
            found |= {
                f"{node.module}.{alias.name}" if node.module == "VQSegLib" else str(node.module) for alias in node.names
            }
    return found


def _part(file: Path) -> str:
    """Return the first name below VQSegLib: a module or a package."""
    return file.relative_to(ROOT / "VQSegLib").parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", MODULES, ids=lambda file: str(file.relative_to(ROOT / "VQSegLib")))
def test_module_imports_only_its_own_layer_and_those_below(file: Path) -> None:
    level = LEVELS[_part(file)]
    for name in _imports(file):
        top, _, rest = name.partition(".")
        assert top not in FORBIDDEN
        if top == "VQSegLib":
            imported = rest.partition(".")[0]
            assert LEVELS.get(imported, 0) <= level, f"{_part(file)} must not import {imported}"


def _modules_after(code: str, *arguments: str) -> set[str]:
    """Return the top-level modules loaded by a fresh Python after running ``code``."""
    report = "\nimport sys; print(); print(' '.join(sorted({name.partition('.')[0] for name in sys.modules})))"
    result = subprocess.run(
        [sys.executable, "-c", code + report, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return set(result.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_nothing_from_outside_the_standard_library() -> None:
    assert not _modules_after("import VQSegLib") & {"torch", "numpy", "pydantic", "SimpleITK", "monai", "scipy"}


def test_help_loads_no_heavy_package() -> None:
    loaded = _modules_after("from VQSegLib.cli import main; main(['--help'])")
    assert not loaded & {"torch", "monai", "SimpleITK", "scipy", "transformers", "matplotlib"}


def test_package_can_be_imported_by_an_older_python() -> None:
    text = (ROOT / "VQSegLib" / "__init__.py").read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 9))
    assert _imports(ROOT / "VQSegLib" / "__init__.py") <= {"__future__"}


def test_every_package_is_installed() -> None:
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    found = {".".join(file.parent.relative_to(ROOT).parts) for file in MODULES if file.name == "__init__.py"}
    assert set(listed) == found
