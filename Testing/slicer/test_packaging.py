"""What CMake would install is complete, and the module starts from it as from a checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
START = """
import sys
sys.path.insert(0, {harness!r})
from slicer_harness import install
install()
sys.path.remove({harness!r})
sys.path.insert(0, {folder!r})
import qt, slicer
import VQSeg, VQSegLib
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleWidget
from slicer_harness.scripted_module import ModuleParent
module = VQSeg.VQSeg(ModuleParent(VQSeg.__file__))
assert not module.parent.icon.isNull()
widget = VQSeg.VQSegWidget()
widget.setup()
assert widget.panel.sections[1].widget.findChild(qt.QObject, "segmentButton").text == "Segment"
assert widget.panel.logic.engine.state == "stopped"
assert "torch" not in sys.modules and "pydantic" not in sys.modules
print(VQSegLib.__file__)
widget.cleanup()
"""


def load_tool() -> ModuleType:
    specification = importlib.util.spec_from_file_location("list_scripts", ROOT / "tools" / "list_scripts.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", ["VQSeg", "VQSegLib"])
def test_every_python_file_is_listed_for_cmake(folder: str) -> None:
    tool = load_tool()

    listed, present = tool.scripts_in_list(ROOT / folder), tool.scripts_in_tree(ROOT / folder)

    missing, gone = sorted(set(present) - set(listed)), sorted(set(listed) - set(present))
    assert listed == present, f"run `python3 tools/list_scripts.py` (missing: {missing}, gone: {gone})"


def test_the_root_installs_the_resources_and_both_folders() -> None:
    text = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")

    assert [f"add_subdirectory({folder})" in text for folder in ("VQSeg", "VQSegLib")] == [True, True]
    assert "file(COPY Resources DESTINATION ${CMAKE_BINARY_DIR}/${Slicer_QTSCRIPTEDMODULES_LIB_DIR})" in text
    assert "DESTINATION ${Slicer_INSTALL_QTSCRIPTEDMODULES_LIB_DIR}/Resources" in text
    assert "WITH_SUBDIR" in (ROOT / "VQSegLib" / "CMakeLists.txt").read_text(encoding="utf-8")


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Lay the files out as the CMake macros do."""
    tool, target = load_tool(), tmp_path / "Größe 1" / "qt-scripted-modules"
    for folder, into in (("VQSeg", target), ("VQSegLib", target / "VQSegLib")):
        for name in tool.scripts_in_list(ROOT / folder):
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / folder / name, into / name)
    shutil.copytree(ROOT / "Resources", target / "Resources", ignore=shutil.ignore_patterns("models"))
    return target


def start_from(folder: Path, tmp_path: Path) -> str:
    """Start the module in a process of its own that knows only one folder; return where VQSegLib came from."""
    code = START.format(harness=str(ROOT / "Testing" / "slicer"), folder=str(folder))
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HOME": str(tmp_path)}
    environment.pop("PYTHONPATH", None)
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip().splitlines()[-1]


def test_the_module_starts_from_the_installed_layout(installed: Path, tmp_path: Path) -> None:
    assert start_from(installed, tmp_path) == str(installed / "VQSegLib" / "__init__.py")


def test_the_module_starts_from_a_checkout(tmp_path: Path) -> None:
    assert Path(start_from(ROOT / "VQSeg", tmp_path)) == ROOT / "VQSegLib" / "__init__.py"


def test_the_catalog_entry_has_what_the_extensions_index_asks_for() -> None:
    text = (ROOT / "Packaging" / "VQSeg.json").read_text(encoding="utf-8")
    entry = json.loads(text)

    required = {"$schema", "category", "scm_url"}
    optional = {"build_dependencies", "build_subdirectory", "scm_revision", "tier", "scm_type", "enabled"}
    assert required <= entry.keys() <= required | optional
    assert re.search(r"slicer-extension-catalog-entry-schema-v1\.0\.\d\.json#?$", entry["$schema"])
    assert re.fullmatch(r"https://\S+/Slicer\w+\.git", entry["scm_url"])
    assert (entry["category"], entry["tier"], entry["build_dependencies"]) == ("Segmentation", 1, [])
    assert text == json.dumps(entry, indent=2, sort_keys=True) + "\n"
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    assert 'set(EXTENSION_CATEGORY "Segmentation")' in cmake
    assert 'set(EXTENSION_DEPENDS "NA")' in cmake


def test_icon_and_screenshot_are_where_the_catalog_looks() -> None:
    cmake = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
    urls = re.findall(r'set\(EXTENSION_(?:ICONURL|SCREENSHOTURLS) "[^"]+/main/([^"]+)"\)', cmake)

    assert len(urls) == 2
    for name in urls:
        header = (ROOT / name).read_bytes()[:24]
        assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", (ROOT / "Resources/Icons/VQSeg.png").read_bytes()[16:24]) == (128, 128)
