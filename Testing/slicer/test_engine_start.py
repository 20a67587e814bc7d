"""The engine's process sees the private folder, the engine, the standard library, and nothing of Slicer's packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tiny_engine import TORCH

UI = Path(__file__).resolve().parents[2] / "VQSeg" / "VQSegUI"
CLI = """
import json, os, subprocess, sys
def main(arguments):
    import numpy, torch
    look = "import numpy; print(numpy.__file__)"
    child = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    try:
        import slicers_own
    except ImportError:
        slicers_own = None
    print(json.dumps({"arguments": arguments, "numpy": numpy.__file__, "path": sys.path, "child": child.stdout.strip(),
                      "sees_slicer": slicers_own is not None, "no_user_site": os.environ["PYTHONNOUSERSITE"]}))
    return 0
"""


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Private folder, folder of the engine, and Slicer's own packages with another numpy."""
    packages, root, slicers = (
        tmp_path / "private ö" / "e123456",
        tmp_path / "the engine",
        tmp_path / "slicer" / "site-packages",
    )
    for path, text in (
        (packages / "numpy" / "__init__.py", ""),
        (packages / "torch" / "__init__.py", TORCH),
        (root / "VQSegLib" / "__init__.py", ""),
        (root / "VQSegLib" / "cli.py", CLI),
        (slicers / "numpy" / "__init__.py", "raise RuntimeError('another numpy was loaded')"),
        (slicers / "slicers_own.py", ""),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return packages, root, slicers


def _start(folders: tuple[Path, Path, Path], *arguments: str) -> subprocess.CompletedProcess[str]:
    packages, root, slicers = folders
    command = [
        sys.executable,
        "-s",
        "-S",
        "-u",
        str(UI / "EngineStart.py"),
        "--packages",
        str(packages),
        "--root",
        str(root),
    ]
    # Slicer's launcher does this to every Python it starts.
    environment = {**os.environ, "PYTHONPATH": str(slicers), "PYTHONUTF8": "1"}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, encoding="utf-8", check=False)


def test_engine_gets_its_arguments_and_its_own_packages_only(folders: tuple[Path, Path, Path]) -> None:
    result = _start(folders, "--", "worker", "--device", "cpu")
    told = json.loads(result.stdout)
    packages, root, slicers = map(str, folders)
    assert told["arguments"] == ["worker", "--device", "cpu"]
    assert told["numpy"].startswith(packages)
    assert told["path"][:2] == [packages, root]
    assert slicers not in told["path"]
    assert not told["sees_slicer"]
    assert not any("site-packages" in path for path in told["path"])


def test_python_started_by_the_engine_sees_the_same(folders: tuple[Path, Path, Path]) -> None:
    told = json.loads(_start(folders, "--", "worker").stdout)
    assert told["child"].startswith(str(folders[0]))
    assert told["no_user_site"] == "1"


def test_start_is_refused_when_torch_is_missing(folders: tuple[Path, Path, Path]) -> None:
    (folders[0] / "torch" / "__init__.py").unlink()
    (folders[0] / "torch").rmdir()
    result = _start(folders, "--", "worker")
    assert result.returncode == 3
    assert result.stdout == ""
    assert "torch would be loaded from nowhere" in result.stderr
    assert "Repair" in result.stderr


def test_start_is_refused_when_numpy_comes_from_elsewhere(folders: tuple[Path, Path, Path]) -> None:
    packages, root, _slicers = folders
    (packages / "numpy" / "__init__.py").replace(root / "numpy.py")
    (packages / "numpy").rmdir()
    result = _start(folders, "--", "worker")
    assert result.returncode == 3
    assert str(root / "numpy.py") in result.stderr


def test_check_tells_about_torch(folders: tuple[Path, Path, Path]) -> None:
    result = _start(folders, "--check", "numpy", "torch", "VQSegLib.cli")
    assert result.returncode == 0
    assert json.loads(result.stdout) == {"torch": "1.0+cpu", "cuda": "", "device": "", "problem": ""}


def test_check_names_what_cannot_be_loaded(folders: tuple[Path, Path, Path]) -> None:
    for modules in (("slicers_own",), ("json",)):
        result = _start(folders, "--check", *modules)
        assert result.returncode == 1
        assert modules[0] in json.loads(result.stdout)["problem"]


def test_check_adds_up(folders: tuple[Path, Path, Path]) -> None:
    (folders[0] / "torch" / "__init__.py").write_text(TORCH.replace("self.count = count", "self.count = count + 1"))
    result = _start(folders, "--check", "torch")
    assert "adds up four ones to 5.0" in json.loads(result.stdout)["problem"]


def test_set_up_loads_neither_qt_nor_slicer() -> None:
    code = f"import sys; sys.path.insert(0, {str(UI.parent)!r}); sys.modules.update(qt=None, slicer=None, numpy=None)\n"
    code = code.replace("slicer=None, ", "") + "import VQSegUI.EngineSetup; print('slicer' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.stdout == "False\n", result.stderr


def _find_python39() -> str | None:
    """Return a Python 3.9 that runs; pyenv puts names on the path that only complain."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which("python3.9"), *versions.glob("3.9.*/bin/python3.9")]
    for candidate in filter(None, candidates):
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(candidate)
    return None


def test_set_up_runs_under_the_oldest_python_and_says_why_it_cannot_install(tmp_path: Path) -> None:
    python = _find_python39()
    if python is None:
        pytest.skip("no Python 3.9 here")
    command = [str(python), str(UI / "EngineSetup.py"), "install", "--root", str(tmp_path / "x")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        last = json.loads(process.stdout.readlines()[-1])
    assert last["event"] == "failed"
    assert "3.9" in last["sentence"]
    assert "Advanced" in last["sentence"]
