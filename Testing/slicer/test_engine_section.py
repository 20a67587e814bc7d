"""The engine section through its buttons: with a set-up that follows a script, and with a real one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import qt
import slicer

from tiny_engine import TinyEngine, make_tiny_engine
from VQSegUI.EngineCatalog import EngineCatalog, thisPlatform
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineLayout import EngineRecord, runningPython
from VQSegUI.EngineSection import EngineSection
from VQSegUI.EngineSettings import EngineSettings
from VQSegUI.EngineSource import EngineLink, EngineSource
from VQSegUI.Problem import Problem
from VQSegUI.Signal import Signal


class ScriptedProcess:
    """Stands in for the installing process: says what the test wants when the test wants it."""

    def __init__(self) -> None:
        self.printed, self.complained, self.ended = Signal(), Signal(), Signal()
        self.command: list[str] = []
        self.environment: dict[str, str] = {}
        self.wasStopped = False

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        self.command, self.environment = list(command), dict(environment)

    def stop(self) -> None:
        self.wasStopped = True

    def say(self, **message: Any) -> None:
        self.printed.emit((json.dumps(message) + "\n").encode())

    def end(self, exit_code: int | None = 0, reason: str = "") -> None:
        self.ended.emit(exit_code, reason)


class Desk:
    """The section, its widgets by name, and everything it talks to."""

    def __init__(self, folder: Path, catalog: EngineCatalog, answers: bool = True) -> None:
        self.asked: list[str] = []
        self.processes: list[ScriptedProcess] = []
        self.gpuProcesses: list[ScriptedProcess] = []
        self.chosenFolder = ""
        self.settings = EngineSettings()
        self.settings.setValue("folder", str(folder))
        self.install = EngineInstall(self.settings, catalog, self._make(self.processes), lambda: sys.executable, dict)
        self.section = EngineSection(
            self.install,
            self.settings,
            confirm=lambda text: self.asked.append(text) or answers,
            chooseFolder=lambda _title: self.chosenFolder,
            makeProcess=self._make(self.gpuProcesses),
        )
        for name in ("engineLogCollapsibleButton", "offlineCollapsibleButton", "advancedCollapsibleButton"):
            getattr(self, name).collapsed = False
        self.section.widget.resize(480, 700)
        self.section.widget.show()

    def __getattr__(self, name: str) -> Any:
        found = self.section.widget.findChild(qt.QObject, name)
        assert found is not None, f"the section has no '{name}'"
        return found

    @property
    def state(self) -> str:
        return self.engineStateLabel.text

    @property
    def process(self) -> ScriptedProcess:
        return self.processes[-1]

    def pretend_installed(self, build: str = "cpu") -> Path:
        """Put the smallest folder there that counts as installed."""
        layout = self.install.layout()
        folder = layout.makePackageFolder()
        folder.mkdir(parents=True)
        fingerprint = self.install.catalog.find(build).fingerprint
        layout.writeRecord(EngineRecord(folder.name, build, "3.12", fingerprint, "2.13.0+cpu", "", 1_400_000_000))
        return folder

    @staticmethod
    def _make(made: list[ScriptedProcess]) -> Callable[[], ScriptedProcess]:
        return lambda: made.append(ScriptedProcess()) or made[-1]


@pytest.fixture
def linux() -> EngineCatalog:
    """The real catalog, as for Linux with Python 3.12."""
    return EngineCatalog(platformTag="linux-x86_64", python="3.12")


@pytest.fixture
def desk(tmp_path: Path, linux: EngineCatalog) -> Desk:
    """Section over an empty folder."""
    return Desk(tmp_path / "Ärztin Müller", linux)


def test_size_is_shown_before_and_consent_asked_with_size_sources_and_folder(desk: Desk, tmp_path: Path) -> None:
    assert desk.state == "Not installed."
    assert desk.installButton.text == "Install"
    assert desk.engineSizeLabel.text == "Download 314 MB, on disk 1.4 GB."
    desk.installButton.click()
    (question,) = desk.asked
    for word in (
        "CPU build",
        "314 MB",
        "pypi.org",
        "download.pytorch.org",
        "1.4 GB",
        str(tmp_path / "Ärztin Müller" / "VQSeg"),
        "not changed",
    ):
        assert word in question


def test_nothing_happens_without_consent(tmp_path: Path, linux: EngineCatalog) -> None:
    desk = Desk(tmp_path, linux, answers=False)
    desk.pretend_installed()
    desk.section.refresh()
    desk.chosenFolder = str(tmp_path)
    for button in (desk.installOfflineButton, desk.saveWheelsButton, desk.removeButton):
        button.click()
    assert len(desk.asked) == 3
    assert desk.processes == []


def test_install_shows_progress_stage_and_log_and_can_be_cancelled(desk: Desk) -> None:
    desk.installButton.click()
    assert desk.process.command[2].endswith("EngineSetup.py")
    assert desk.process.command[3] == "install"
    assert desk.process.environment["PYTHONDONTWRITEBYTECODE"] == "1"
    assert desk.state == "Setting up the engine..."
    desk.process.say(event="progress", fraction=0.42, stage="Downloading torch")
    desk.process.say(event="log", line="Collecting torch")
    desk.process.complained.emit(b"something odd\n")
    assert desk.engineProgressBar.value == 42
    assert desk.engineStageLabel.text == "Downloading torch"
    assert desk.engineLogText.plainText == "Collecting torch\nsomething odd"
    assert not desk.installButton.enabled
    assert not desk.removeButton.enabled
    assert desk.engineCancelButton.visible
    desk.engineCancelButton.click()
    assert desk.process.wasStopped
    desk.process.say(event="failed", sentence="Cancelled; nothing was changed.", cancelled=True)
    desk.process.end(2)
    assert desk.state == "Cancelled; nothing was changed."
    assert desk.installButton.enabled
    assert not desk.engineCancelButton.visible
    desk.section.refresh()
    desk.copyEngineLogButton.click()
    assert "Collecting torch" in slicer.app.clipboard().text()


def test_success_makes_the_engine_ready_and_says_that_it_changed(desk: Desk) -> None:
    changes: list[int] = []
    desk.section.engineChanged.connect(lambda: changes.append(1))
    desk.installButton.click()
    desk.pretend_installed()
    desk.process.say(event="done")
    desk.process.end(0)
    assert desk.state == "Ready: CPU, torch 2.13.0+cpu, 1.4 GB."
    assert desk.installButton.text == "Check"
    assert changes == [1]


def test_failure_is_the_state_until_it_is_repaired(desk: Desk) -> None:
    desk.pretend_installed()
    desk.section.refresh()
    desk.installButton.click()
    assert desk.process.command[3] == "check"
    desk.process.say(event="failed", sentence="The engine is incomplete (torch); press Repair.", cancelled=False)
    desk.process.end(1)
    assert "incomplete" in desk.state
    assert desk.installButton.text == "Repair"
    with pytest.raises(Problem, match="incomplete"):
        desk.install.command("worker")
    desk.installButton.click()
    assert desk.process.command[3] == "install"
    desk.process.say(event="done")
    desk.process.end(0)
    assert desk.state.startswith("Ready")


@pytest.mark.parametrize(
    ("code", "reason", "words"), [(9, "", "ended from outside"), (None, "no such file", "no such file")]
)
def test_set_up_that_dies_is_said_in_one_sentence(desk: Desk, code: int | None, reason: str, words: str) -> None:
    desk.installButton.click()
    desk.process.end(code, reason)
    assert words in desk.state
    assert len(desk.state.splitlines()) == 1


def test_killed_installation_offers_repair_and_remove(desk: Desk) -> None:
    desk.install.layout().makePackageFolder().mkdir(parents=True)
    desk.section.refresh()
    assert desk.state.startswith("Broken: an installation or removal was interrupted.")
    assert desk.installButton.text == "Repair"
    desk.removeButton.click()
    assert desk.process.command[3] == "remove"


def test_offline_install_names_the_folder_and_downloads_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.installOfflineButton.click()
    assert desk.processes == []
    desk.chosenFolder = str(tmp_path / "USB stick ü")
    desk.installOfflineButton.click()
    assert "Nothing is downloaded" in desk.asked[-1]
    command = desk.process.command
    assert command[command.index("--wheels") + 1] == str(tmp_path / "USB stick ü")


def test_wheels_can_be_saved_for_another_computer(desk: Desk, tmp_path: Path) -> None:
    desk.chosenFolder = str(tmp_path)
    desk.saveWheelsButton.click()
    assert "314 MB" in desk.asked[-1]
    assert desk.process.command[3] == "save-wheels"


def test_gpu_chooses_the_build_and_the_person_can_choose_another(desk: Desk) -> None:
    assert desk.buildComboBox.itemText(0) == "Automatic: CPU"
    assert "no NVIDIA GPU" in desk.buildComboBox.toolTip
    desk.section.enter()
    (gpu_process,) = desk.gpuProcesses
    assert gpu_process.command[0] == "nvidia-smi"
    gpu_process.printed.emit(b"NVIDIA RTX A6000, 580.95.05, 8.6\n")
    gpu_process.end(0)
    assert desk.buildComboBox.itemText(0) == "Automatic: CUDA (NVIDIA GPU)"
    assert "NVIDIA RTX A6000" in desk.buildComboBox.toolTip
    assert desk.engineSizeLabel.text == "Download 2.9 GB, on disk 5.4 GB."
    desk.buildComboBox.setCurrentIndex(desk.buildComboBox.findData("cpu"))
    assert desk.engineSizeLabel.text == "Download 314 MB, on disk 1.4 GB."
    desk.installButton.click()
    assert desk.process.command[desk.process.command.index("--build") + 1] == "cpu"
    desk.section.enter()
    assert len(desk.gpuProcesses) == 1


def test_other_build_can_take_the_place_of_the_installed_one(desk: Desk) -> None:
    desk.pretend_installed()
    desk.buildComboBox.setCurrentIndex(desk.buildComboBox.findData("cuda"))
    assert desk.installButton.text == "Switch to CUDA (NVIDIA GPU)"
    desk.installButton.click()
    assert "CUDA" in desk.asked[-1]
    assert desk.process.command[3] == "install"


def test_choices_are_kept(desk: Desk, tmp_path: Path, linux: EngineCatalog) -> None:
    desk.buildComboBox.setCurrentIndex(desk.buildComboBox.findData("cuda"))
    for name, text in (
        ("proxy", "http://proxy:3128"),
        ("certificates", "/etc/site.pem"),
        ("packageIndex", "https://mirror/simple"),
        ("torchIndex", "https://mirror/torch"),
    ):
        edit = getattr(desk, name + "LineEdit")
        edit.setText(text)
        edit.editingFinished.emit()
    again = Desk(tmp_path / "Ärztin Müller", linux)
    assert again.buildComboBox.currentData == "cuda"
    assert again.proxyLineEdit.text == "http://proxy:3128"
    again.buildComboBox.setCurrentIndex(again.buildComboBox.findData("cpu"))
    again.installButton.click()
    assert "https://mirror/simple and https://mirror/torch" in again.asked[-1]
    assert again.process.environment["PIP_PROXY"] == "http://proxy:3128"
    assert again.process.environment["PIP_CERT"] == "/etc/site.pem"
    assert again.process.environment["PIP_INDEX_URL"] == "https://mirror/simple"
    assert again.process.command[again.process.command.index("--torch-index") + 1] == "https://mirror/torch"


def test_other_folder_is_another_engine_and_never_the_folder_itself(desk: Desk, tmp_path: Path) -> None:
    desk.pretend_installed()
    desk.folderLineEdit.setText(str(tmp_path / "elsewhere"))
    desk.folderLineEdit.editingFinished.emit()
    assert desk.state == "Not installed."
    root = desk.install.layout().root
    assert root.parent.parent == tmp_path / "elsewhere"
    assert root.parent.name == "VQSeg"


@pytest.mark.parametrize(("platform_tag", "python"), [("linux-x86_64", "3.9"), ("macos-x86_64", "3.12")])
def test_where_no_wheel_exists_the_section_says_so_and_opens_advanced(
    tmp_path: Path, platform_tag: str, python: str
) -> None:
    desk = Desk(tmp_path, EngineCatalog(platformTag=platform_tag, python=python))
    desk.advancedCollapsibleButton.collapsed = True
    desk.section.enter()
    assert "Advanced" in desk.state
    assert not desk.installButton.enabled
    assert not desk.advancedCollapsibleButton.collapsed
    assert desk.engineSizeLabel.text == ""
    assert desk.useCommandButton.enabled


def test_own_command_is_checked_kept_and_used(desk: Desk) -> None:
    changes: list[int] = []
    desk.section.engineChanged.connect(lambda: changes.append(1))
    source = EngineSource(desk.settings, desk.install)
    with pytest.raises(Problem, match="No engine is set up yet"):
        source.command()
    desk.commandLineEdit.setText("'vqseg worker")
    desk.useCommandButton.click()
    assert "quotation mark" in desk.commandProblemLabel.text
    assert changes == []
    desk.commandLineEdit.setText(f'"{Path(sys.executable).as_posix()}" -m VQSegLib.cli worker')
    desk.useCommandButton.click()
    assert desk.commandProblemLabel.text == ""
    assert desk.state.startswith("Your own command: ")
    assert list(source.command().arguments) == [Path(sys.executable).as_posix(), "-m", "VQSegLib.cli", "worker"]
    desk.commandLineEdit.setText("")
    desk.useCommandButton.click()
    assert desk.state == "Not installed."
    assert changes == [1, 1]


def test_host_of_an_own_command_is_named_before_anything_is_sent(desk: Desk) -> None:
    desk.settings.setValue("command", "ssh -p 2222 jane@gpu01.hospital.org vqseg worker")
    desk.section.refresh()
    assert "“gpu01.hospital.org”" in desk.state
    assert "once you agree" in desk.state


def test_running_engine_ends_before_its_packages_change_and_starts_again(desk: Desk) -> None:
    class Engine:
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.problem: Problem | None = None
            self.stateChanged = Signal()

        def stop(self) -> None:
            self.calls.append("stop")

        def start(self) -> None:
            self.calls.append("start")

    engine = Engine()
    link = EngineLink(EngineSource(desk.settings, desk.install), engine, desk.section.engineChanged)
    desk.installButton.click()
    assert engine.calls == ["stop"]
    desk.pretend_installed()
    desk.process.say(event="done")
    desk.process.end(0)
    assert engine.calls == ["stop", "stop", "start"]
    engine.problem = Problem("numpy is gone.")
    engine.stateChanged.emit()
    desk.section.refresh()
    assert desk.state == "Broken: numpy is gone."
    assert desk.installButton.text == "Repair"
    link.release()
    desk.installButton.click()
    assert engine.calls == ["stop", "stop", "start"]


def test_section_is_folded_away_while_nothing_is_to_be_done(desk: Desk, tmp_path: Path, linux: EngineCatalog) -> None:
    assert not desk.engineCollapsibleButton.collapsed
    desk.pretend_installed()
    again = Desk(tmp_path / "Ärztin Müller", linux)
    assert again.engineCollapsibleButton.collapsed
    again.install.layout().recordFile.unlink()
    again.section.refresh()
    assert not again.engineCollapsibleButton.collapsed


def test_second_set_up_waits_for_the_first(desk: Desk) -> None:
    desk.installButton.click()
    with pytest.raises(Problem, match="busy"):
        desk.install.check()


def test_closing_the_panel_stops_the_set_up(desk: Desk) -> None:
    desk.section.enter()
    desk.installButton.click()
    desk.section.release()
    assert desk.process.wasStopped
    assert desk.gpuProcesses[0].wasStopped
    before = desk.buildComboBox.itemText(0)
    desk.gpuProcesses[0].printed.emit(b"NVIDIA RTX A6000, 580.95.05, 8.6\n")
    desk.gpuProcesses[0].end(0)
    assert desk.buildComboBox.itemText(0) == before


def test_real_set_up_from_wheels_keeps_the_panel_alive(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    tiny: TinyEngine = make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython())
    desk = Desk(tmp_path / "Ärztin Müller", EngineCatalog(tiny.catalog))
    settings = desk.settings
    install = EngineInstall(settings, EngineCatalog(tiny.catalog), findPython=lambda: sys.executable)
    section = EngineSection(install, settings, confirm=lambda _text: True, chooseFolder=lambda _title: str(tiny.wheels))
    section.widget.findChild(qt.QObject, "offlineCollapsibleButton").collapsed = False
    button = {name: section.widget.findChild(qt.QObject, name) for name in ("installOfflineButton", "removeButton")}
    label = section.widget.findChild(qt.QObject, "engineStateLabel")
    beats = [time.monotonic()]
    timer = qt.QTimer()
    timer.timeout.connect(lambda: beats.append(time.monotonic()))
    timer.start(5)
    button["installOfflineButton"].click()
    assert install.isRunning()
    wait_until(lambda: not install.isRunning(), 60)
    assert label.text.startswith("Ready: CPU, torch 1.0+cpu")
    button["removeButton"].click()
    wait_until(lambda: not install.isRunning(), 60)
    assert label.text == "Not installed."
    longest = max(later - earlier for earlier, later in pairwise(beats))
    assert longest < 0.5, f"the panel stood still for {longest:.2f} s"


def test_real_set_up_can_be_cancelled_and_says_when_it_cannot_start(
    tmp_path: Path, wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_SLEEP", "60")
    tiny = make_tiny_engine(tmp_path / "offline", thisPlatform(), runningPython())
    settings = EngineSettings()
    settings.setValue("folder", str(tmp_path))
    pythons = [str(tmp_path / "no python"), sys.executable]
    install = EngineInstall(settings, EngineCatalog(tiny.catalog), findPython=lambda: pythons[0])
    said: list[str] = []
    install.finished.connect(lambda *end: said.append(end[1]))
    install.install("cpu", tiny.wheels)
    wait_until(lambda: said)
    assert "cannot be started" in said.pop()
    del pythons[0]
    install.install("cpu", tiny.wheels)
    wait_until(lambda: settings.layout().packageFolders(), 30)
    install.cancel()
    wait_until(lambda: said, 30)
    assert "Cancelled" in said[0]
    assert settings.layout().packageFolders() == []
