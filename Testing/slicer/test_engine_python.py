"""Which Python runs the engine where Slicer's own is too old, as in Slicer 5.8."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import qt

from tiny_engine import make_tiny_engine
from VQSegUI import EnginePython
from VQSegUI.EngineCatalog import EngineCatalog, EngineUnavailable, thisPlatform
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineLayout import runningPython
from VQSegUI.EnginePython import findEnginePython, findPython
from VQSegUI.EngineSection import EngineSection
from VQSegUI.EngineSettings import EngineSettings

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has a registry of Pythons")


@pytest.fixture
def old_slicer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Slicer's Python be 3.9."""
    monkeypatch.setattr(EnginePython, "runningPython", lambda: "3.9")


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Put programs into folders; those are the only ones of this computer, apart from folders below home."""
    path: list[str] = []
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(EnginePython, "USUAL_FOLDERS", [each for each in EnginePython.USUAL_FOLDERS if each[0] == "~"])

    def make(folder: str, name: str) -> str:
        program = tmp_path / folder / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text("#!/bin/sh\n", encoding="utf-8")
        program.chmod(0o755)
        if not folder.startswith("home"):
            path.append(str(program.parent))
            monkeypatch.setenv("PATH", os.pathsep.join(path))
        return str(program)

    return make


def test_slicers_own_python_is_taken_where_it_will_do() -> None:
    assert findEnginePython(["3.0", runningPython()]) == EnginePython.EnginePython(runningPython())


@posix
@pytest.mark.usefixtures("old_slicer")
def test_the_newest_python_of_this_computer_is_taken_where_slicers_is_too_old(put: Callable[..., str]) -> None:
    put("bin", "python3.9")
    put("bin", "python3.11")
    newest = put("Größe ü", "python3.12")
    put(".pyenv/shims", "python3.13")

    found = findEnginePython(["3.11", "3.12", "3.13", "3.9.9"])

    assert (found.version, found.program) == ("3.12", newest)


@posix
def test_a_python_in_a_usual_folder_is_found_although_it_is_not_on_the_path(put: Callable[..., str]) -> None:
    program = put("home/.local/bin", "python3.13")

    assert findPython("3.13") == program
    assert findPython("3.12") == ""


@pytest.mark.usefixtures("old_slicer")
def test_where_there_is_none_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EnginePython, "findPython", lambda _version: "")

    with pytest.raises(EngineUnavailable, match=r"this Slicer has 3\.9, and none was found.*python\.org.*Advanced"):
        EngineCatalog(platformTag="linux-x86_64").builds()


def test_on_windows_the_registry_is_asked_and_the_stores_python_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {("user", "3.13"): tmp_path / "WindowsApps", ("machine", "3.12"): tmp_path / "Python312"}
    for folder in folders.values():
        folder.mkdir()
        (folder / "python.exe").touch()

    def query(root: str, key: str) -> str:
        version = key.split("\\")[-2]
        if (root, version) not in folders:
            raise FileNotFoundError(key)
        return str(folders[root, version])

    winreg = SimpleNamespace(HKEY_CURRENT_USER="user", HKEY_LOCAL_MACHINE="machine", QueryValue=query)
    monkeypatch.setitem(sys.modules, "winreg", winreg)

    found = {version: EnginePython._findRegistered(version) for version in ("3.11", "3.12", "3.13")}

    assert found == {"3.11": "", "3.12": str(tmp_path / "Python312" / "python.exe"), "3.13": ""}


@pytest.mark.usefixtures("old_slicer")
def test_an_old_slicer_installs_and_starts_the_engine_with_another_python(
    tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    program = findPython(runningPython())
    if not program:
        pytest.skip(f"no other Python {runningPython()} here")
    tiny = make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython())
    settings, asked = EngineSettings(), []
    settings.setValue("folder", str(tmp_path / "Ärztin Müller"))
    install = EngineInstall(settings, EngineCatalog(tiny.catalog))
    section = EngineSection(
        install, settings, confirm=lambda text: asked.append(text) or True, chooseFolder=lambda _title: str(tiny.wheels)
    )
    ends: list[Any] = []
    install.finished.connect(lambda *end: ends.append(end))

    section.widget.findChild(qt.QObject, "installOfflineButton").click()
    wait_until(lambda: ends, 60)

    assert ends == [(True, "Done.")]
    assert f"runs with {program}" in asked[0]
    assert install.layout().root.name == runningPython().replace(".", "")
    assert install.command("worker").arguments[0] == program
