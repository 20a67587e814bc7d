"""Installing, checking, repairing and removing the engine in real processes, with wheels of a few bytes."""

from __future__ import annotations

import ensurepip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tiny_engine import TinyEngine, make_tiny_engine, make_wheel
from VQSegUI import EngineState
from VQSegUI.EngineCatalog import EngineCatalog, thisPlatform
from VQSegUI.EngineLayout import EngineLayout, runningPython

SCRIPT = Path(__file__).resolve().parents[2] / "VQSeg" / "VQSegUI" / "EngineSetup.py"


@pytest.fixture
def tiny(tmp_path: Path) -> TinyEngine:
    """Wheels and catalog."""
    return make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython())


@pytest.fixture
def layout(tmp_path: Path) -> EngineLayout:
    """A private folder with a space and an umlaut in its path."""
    return EngineLayout(tmp_path / "Ärztin Müller" / "VQSeg" / "312")


@pytest.fixture
def start(tiny: TinyEngine, layout: EngineLayout) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the set-up as the panel does; whatever still runs at the end is ended."""
    started = []

    def run(action: str, *arguments: str, python: str = sys.executable, **environment: str) -> subprocess.Popen[str]:
        # -B as the panel does by a variable; here its children must see to themselves.
        command = [python, "-B", "-u", str(SCRIPT), action, "--root", str(layout.root), "--catalog", str(tiny.catalog)]
        if action == "install" and "--wheels" not in arguments:
            arguments = ("--wheels", str(tiny.wheels), *arguments)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "encoding": "utf-8"}
        variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environment}
        started.append(subprocess.Popen([*command, *arguments], env=variables, **pipes))
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture
def run_setup(start: Callable[..., subprocess.Popen[str]]) -> Callable[..., list[dict[str, Any]]]:
    """Run the set-up to its end and return its messages."""

    def run(*arguments: str, **options: str) -> list[dict[str, Any]]:
        process = start(*arguments, **options)
        lines = process.stdout.readlines()  # not communicate(): that would close its input, which means cancel
        process.wait(60)
        return [json.loads(line) for line in lines]

    return run


def _state(layout: EngineLayout, tiny: TinyEngine) -> EngineState.EngineState:
    return EngineState.readState(layout, EngineCatalog(tiny.catalog))


def _wait(condition: Callable[[], Any], seconds: float = 30.0) -> Any:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.01)
    return condition()


def test_install_makes_the_engine_ready_and_says_how_far_it_is(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED
    messages = run_setup("install")
    assert messages[-1] == {"event": "done"}
    fractions = [message["fraction"] for message in messages if message["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[-1] >= 0.9
    state = _state(layout, tiny)
    assert state.kind == EngineState.READY
    assert state.record.torchVersion == "1.0+cpu"
    assert "torch 1.0+cpu" in state.sentence
    assert (state.packages / "numpy" / "__init__.py").is_file()
    assert sorted(path.name for path in layout.root.iterdir()) == [state.packages.name, "engine.json", "lock"]


def test_slicers_own_packages_are_unchanged_to_the_byte(
    run_setup: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    venv.create(tmp_path / "slicer python", with_pip=True, symlinks=sys.platform != "win32")
    folder = tmp_path / "slicer python"
    python = str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))

    for cache in list(folder.rglob("__pycache__")):
        shutil.rmtree(cache)  # so that byte code written by the set-up would show

    def look() -> tuple[str, dict[str, str]]:
        listed = [python, "-B", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
        packages = subprocess.run(listed, capture_output=True, text=True, check=True).stdout
        files = [path for path in folder.rglob("*") if path.is_file()]
        return packages, {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = look()
    hostile = {
        "PIP_TARGET": str(folder / "wrong"),
        "PIP_USER": "1",
        "PIP_PREFIX": str(folder),
        "PIP_REQUIRE_VIRTUALENV": "1",
    }
    assert run_setup("install", python=python, **hostile)[-1] == {"event": "done"}
    assert look() == before


@pytest.mark.parametrize("moment", ["while pip runs", "during the check"])
def test_kill_leaves_a_broken_engine_that_installing_again_repairs(
    start: Callable[..., subprocess.Popen[str]],
    run_setup: Callable[..., list[dict[str, Any]]],
    layout: EngineLayout,
    tiny: TinyEngine,
    moment: str,
) -> None:
    process = start("install", TINY_SLEEP="90")
    if moment == "while pip runs":
        _wait(layout.packageFolders)
    else:
        next(line for line in process.stdout if "Checking" in line)
    if sys.platform == "linux":
        _wait(lambda: len(_processes_that_mention(layout.root)) == 2)  # its own and its child's
    process.kill()
    process.wait()
    _wait(lambda: not _processes_that_mention(layout.root))
    state = _state(layout, tiny)
    assert state.kind == EngineState.BROKEN
    assert "interrupted" in state.sentence
    left = layout.packageFolders()
    assert run_setup("install")[-1] == {"event": "done"}
    assert _state(layout, tiny).kind == EngineState.READY
    assert not set(left) & set(layout.packageFolders())


def _processes_that_mention(folder: Path) -> list[int]:
    """Return the processes that have a folder on their command line (Linux; elsewhere none are found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if os.fsencode(str(folder)) in arguments:
            found.append(int(entry.name))
    return found


def test_cancel_leaves_nothing_and_keeps_the_engine_that_was_there(
    start: Callable[..., subprocess.Popen[str]],
    run_setup: Callable[..., list[dict[str, Any]]],
    layout: EngineLayout,
    tiny: TinyEngine,
) -> None:
    run_setup("install")
    before = _state(layout, tiny)
    process = start("install", TINY_SLEEP="60")
    next(line for line in process.stdout if "Checking" in line)
    assert len(layout.packageFolders()) == 2
    asked = time.monotonic()
    process.stdin.close()
    last = json.loads(process.stdout.readlines()[-1])
    assert time.monotonic() - asked < 3
    assert process.wait(10) == 2
    assert last["cancelled"]
    assert _state(layout, tiny) == before
    assert layout.packageFolders() == [before.packages]


def test_sleepless_cancel_before_anything_was_installed_leaves_not_installed(
    start: Callable[..., subprocess.Popen[str]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    process = start("install")
    _wait(layout.packageFolders)
    process.stdin.close()
    assert process.wait(20) == 2
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED


def test_altered_package_is_refused_and_the_old_engine_stays(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    run_setup("install")
    before = _state(layout, tiny)
    make_wheel(tiny.wheels, "numpy", "2.0", {"numpy/__init__.py": "print('stranger')\n"})
    last = run_setup("install")[-1]
    assert "checksum differs" in last["sentence"]
    assert _state(layout, tiny) == before


def test_python_without_pip_uses_the_one_it_carries(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine, tmp_path: Path
) -> None:
    if not list(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")):
        pytest.skip("this Python carries no pip")
    venv.create(tmp_path / "bare", with_pip=False, symlinks=sys.platform != "win32")
    python = tmp_path / "bare" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    assert run_setup("install", python=str(python))[-1] == {"event": "done"}
    assert _state(layout, tiny).kind == EngineState.READY


def test_missing_wheel_is_named(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    (tiny.wheels / "monai-1.6-py3-none-any.whl").unlink()
    last = run_setup("install")[-1]
    assert "monai==1.6" in last["sentence"]
    assert str(tiny.wheels) in last["sentence"]
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED


def test_folder_without_wheels_is_refused(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    last = run_setup("install", "--wheels", str(tmp_path / "empty"))[-1]
    assert "holds no wheels" in last["sentence"]
    assert not layout.packageFolders()


def test_packages_that_do_not_load_are_refused(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    make_wheel(tiny.wheels, "torch", "1.0+cpu", {"torch/__init__.py": "raise OSError('libcudart.so.13 is missing')\n"})
    last = run_setup("install")[-1]
    assert "torch cannot be loaded" in last["sentence"]
    assert "libcudart" in last["sentence"]
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED


def test_wheels_are_saved_from_the_network_or_the_reason_is_given(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine, tmp_path: Path
) -> None:
    # What stands in for the network is a folder that pip is told to look into as well.
    site = {"PIP_CONFIG_FILE": os.devnull, "PIP_RETRIES": "0", "PIP_INDEX_URL": "http://127.0.0.1:9/none"}
    arguments = ("save-wheels", "--wheels", str(tmp_path / "to go"))
    last = run_setup(*arguments, PIP_FIND_LINKS=str(tmp_path), **site)[-1]
    assert last["event"] == "failed"
    assert "could not be downloaded" in last["sentence"]
    assert run_setup(*arguments, PIP_FIND_LINKS=tiny.wheels.as_uri(), **site)[-1] == {"event": "done"}
    assert {path.name for path in (tmp_path / "to go").iterdir()} == {path.name for path in tiny.wheels.iterdir()}
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED
    assert run_setup("install", "--wheels", str(tmp_path / "to go"))[-1] == {"event": "done"}


def test_remove_deletes_the_engine_and_nothing_else(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    run_setup("install")
    (layout.root / "notes.txt").write_text("mine")
    assert run_setup("remove")[-1] == {"event": "done"}
    assert _state(layout, tiny).kind == EngineState.NOT_INSTALLED
    assert sorted(path.name for path in layout.root.iterdir()) == ["lock", "notes.txt"]


def test_check_finds_a_lost_file(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout, tiny: TinyEngine
) -> None:
    assert "not installed" in run_setup("check")[-1]["sentence"]
    run_setup("install")
    assert run_setup("check")[-1] == {"event": "done"}
    (_state(layout, tiny).packages / "monai" / "__init__.py").write_text("")
    last = run_setup("check")[-1]
    assert "incomplete" in last["sentence"]
    assert "monai/__init__.py" in last["sentence"]


def test_two_windows_do_not_install_at_once(
    start: Callable[..., subprocess.Popen[str]],
    run_setup: Callable[..., list[dict[str, Any]]],
    layout: EngineLayout,
    tiny: TinyEngine,
) -> None:
    first = start("install", TINY_SLEEP="60")
    next(line for line in first.stdout if "Checking" in line)
    assert _state(layout, tiny).kind == EngineState.BUSY
    assert "Another Slicer window" in run_setup("install")[-1]["sentence"]
    first.send_signal(signal.SIGTERM)
    first.wait()
    assert _state(layout, tiny).kind == EngineState.BROKEN


def test_unusable_folder_is_said_in_one_sentence(
    run_setup: Callable[..., list[dict[str, Any]]], layout: EngineLayout
) -> None:
    layout.root.parent.mkdir(parents=True)
    layout.root.write_text("a file where the folder should be")
    last = run_setup("install")[-1]
    assert "cannot be used" in last["sentence"]
    assert "Advanced" in last["sentence"]
