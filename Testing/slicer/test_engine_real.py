"""The real engine, downloaded once, then installed offline through the section; it takes minutes and 2 GB of disk."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import qt

from VQSegLib.wire import PROTOCOL
from VQSegLib.wire_client import BlockingClient
from VQSegUI import EngineState
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineSection import EngineSection
from VQSegUI.EngineSettings import EngineSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the wheels of the CPU build."""
    return tmp_path_factory.mktemp("wheels ü")


def _wait(condition: Callable[[], object], seconds: float) -> float:
    """Run the event loop until something is true; return its longest pause in seconds."""
    import slicer

    beats, timer, ends = [time.monotonic()], qt.QTimer(), time.monotonic() + seconds
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(5)
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        slicer.app.processEvents()
        time.sleep(0.001)
    return max(later - earlier for earlier, later in pairwise(beats))


def test_real_engine_is_installed_offline_killed_repaired_started_and_removed(
    tmp_path: Path, wheels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def record(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(text + "\n")

    settings = EngineSettings()
    settings.setValue("folder", str(tmp_path / "Ärztin Müller"))
    settings.setValue("build", "cpu")
    install = EngineInstall(settings, findPython=lambda: sys.executable)
    section = EngineSection(install, settings, confirm=lambda _text: True, chooseFolder=lambda _title: str(wheels))
    section.widget.findChild(qt.QObject, "offlineCollapsibleButton").collapsed = False
    button = {
        name: section.widget.findChild(qt.QObject, name)
        for name in ("saveWheelsButton", "installOfflineButton", "installButton", "removeButton")
    }
    ends: list[tuple[bool, str]] = []
    install.finished.connect(lambda *end: ends.append(end))

    def click(name: str) -> tuple[float, float]:
        began = time.monotonic()
        button[name].click()
        pause = _wait(lambda: not install.isRunning(), 1500)
        return time.monotonic() - began, pause

    seconds, _pause = click("saveWheelsButton")
    if not ends[-1][0] and "could not be downloaded" in ends[-1][1]:
        pytest.skip(ends[-1][1])
    assert ends[-1] == (True, "Done."), ends[-1][1]
    record(f"download {seconds:.0f} s")

    button["installOfflineButton"].click()
    _wait(lambda: any((folder / "torch").exists() for folder in settings.layout().packageFolders()), 600)
    os.kill(install._process.processID(), signal.SIGKILL)
    _wait(lambda: not install.isRunning(), 60)
    section.refresh()
    assert install.state().kind == EngineState.BROKEN
    assert button["installButton"].text == "Repair"

    seconds, pause = click("installOfflineButton")
    assert ends[-1] == (True, "Done."), ends[-1][1]
    assert len(settings.layout().packageFolders()) == 1
    assert pause < 0.5
    record(f"repair by offline installation {seconds:.0f} s, longest pause of the panel {1000 * pause:.0f} ms")

    command = install.command("worker")
    began = time.monotonic()
    with BlockingClient(command.arguments, env={**os.environ, **command.environment}) as client:
        told = client.request("initialize", {"client": "test", "protocol": PROTOCOL})
        models = client.request("models/list")
    assert told["python"].startswith("{}.{}".format(*sys.version_info[:2]))
    assert "models" in models
    record(f"worker answered after {time.monotonic() - began:.1f} s")

    seconds, _pause = click("installButton")
    assert ends[-1] == (True, "Done."), ends[-1][1]
    record(f"check {seconds:.0f} s")
    seconds, _pause = click("removeButton")
    assert install.state().kind == EngineState.NOT_INSTALLED
    assert [path.name for path in settings.layout().root.iterdir()] == ["lock"]
    record(f"removal {seconds:.0f} s")
