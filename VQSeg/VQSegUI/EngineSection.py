"""Section of the panel that installs, checks, repairs and removes the engine, or takes the person's own command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Optional

import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI.CommandLine import findProgram, splitCommandLine
from VQSegUI.EngineCatalog import EngineBuild, EngineUnavailable, formatBytes
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineGpu import QUERY, Suggestion, readGpus, suggestBuild
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineSettings import AUTOMATIC, EngineSettings
from VQSegUI.EngineState import BROKEN, BUSY, OUTDATED, READY, UNAVAILABLE, EngineState
from VQSegUI.Problem import Problem
from VQSegUI.Resources import resourcePath
from VQSegUI.SetupProcess import SetupProcess
from VQSegUI.Signal import Signal

LOG_LINES = 2000
BUILD_NAMES = {"cpu": "CPU", "cuda": "CUDA (NVIDIA GPU)"}
FIELDS = ("folder", "proxy", "certificates", "packageIndex", "torchIndex")


class EngineSection:
    """The section's widgets and what they do.

    Args:
        install: The private engine.
        settings: What the person chose.
        confirm: Asks a yes-or-no question; None takes Slicer's dialog.
        chooseFolder: Asks for an existing folder, returns "" when cancelled; None takes Qt's dialog.
        makeProcess: Makes the process that looks for a GPU.

    Attributes:
        widget: The section, to be added to the panel.
        engineChanged: Emitted without values when another engine than before would be started.
    """

    def __init__(
        self,
        install: EngineInstall,
        settings: EngineSettings,
        confirm: Optional[Callable[[str], bool]] = None,
        chooseFolder: Optional[Callable[[str], str]] = None,
        makeProcess: Callable[[], Any] = SetupProcess,
    ) -> None:
        self.engineChanged = Signal()
        self._install, self._settings = install, settings
        self._confirm = confirm or _confirmWithSlicer
        self._chooseFolder = chooseFolder or _chooseFolderWithQt
        self._makeProcess = makeProcess
        self._gpuProcess: Any = None
        self._gpuOutput: Optional[bytes] = None
        self._message = ""
        self.widget = slicer.util.loadUI(resourcePath("UI/EngineSection.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._fill()
        self._connect()
        self.refresh()

    def enter(self) -> None:
        """The panel is shown: look at the state, and once for a GPU."""
        self.refresh()
        if self._gpuProcess is None:
            self._lookForGpu()

    def setScene(self, _scene: Any) -> None:
        """The engine belongs to no scene."""

    def release(self) -> None:
        """The panel goes away: nothing may go on installing."""
        self._install.cancel()
        self._install.progressed.disconnect(self._onProgress)
        self._install.logged.disconnect(self._onLogged)
        self._install.finished.disconnect(self._onFinished)

    def refresh(self) -> None:
        """Show the state as it is now."""
        isRunning, state = self._install.isRunning(), self._install.state()
        ownCommand = self._settings.value("command")
        isOwn = bool(ownCommand) and not isRunning
        self._ui.engineStateLabel.setText(_describeOwn(ownCommand) if isOwn else self._stateText(state))
        self._ui.engineSizeLabel.setText(self._describeSize())
        self._ui.installButton.setText(self._installText(state))
        canInstall = not isRunning and state.kind not in (UNAVAILABLE, BUSY)
        for button in (self._ui.installButton, self._ui.installOfflineButton, self._ui.saveWheelsButton):
            button.setEnabled(canInstall)
        self._ui.removeButton.setEnabled(not isRunning and state.kind in (READY, BROKEN, OUTDATED))
        for widget in (self._ui.engineCancelButton, self._ui.engineProgressBar, self._ui.engineStageLabel):
            widget.setVisible(isRunning)
        self._ui.buildComboBox.setEnabled(canInstall)
        if state.kind == UNAVAILABLE:
            self._ui.advancedGroupBox.collapsed = False

    def _fill(self) -> None:
        self._ui.engineLogText.setMaximumBlockCount(LOG_LINES)
        self._ui.commandLineEdit.setText(self._settings.value("command"))
        for name in FIELDS:
            getattr(self._ui, name + "LineEdit").setText(self._settings.value(name))
        self._showBuilds()

    def _connect(self) -> None:
        self._install.progressed.connect(self._onProgress)
        self._install.logged.connect(self._onLogged)
        self._install.finished.connect(self._onFinished)
        self._ui.installButton.clicked.connect(lambda *_clicked: self._onInstall())
        self._ui.removeButton.clicked.connect(lambda *_clicked: self._onRemove())
        self._ui.engineCancelButton.clicked.connect(lambda *_clicked: self._install.cancel())
        self._ui.installOfflineButton.clicked.connect(lambda *_clicked: self._onInstallOffline())
        self._ui.saveWheelsButton.clicked.connect(lambda *_clicked: self._onSaveWheels())
        self._ui.useCommandButton.clicked.connect(lambda *_clicked: self._onUseCommand())
        self._ui.copyEngineLogButton.clicked.connect(lambda *_clicked: self._onCopyLog())
        self._ui.buildComboBox.currentIndexChanged.connect(self._onBuildChosen)
        for name in FIELDS:
            getattr(self._ui, name + "LineEdit").editingFinished.connect(lambda name=name: self._onFieldEdited(name))

    def _onInstall(self) -> None:
        state, build = self._install.state(), self._chosenBuild()
        if state.kind == READY and state.record.build == build.name:
            self._run(self._install.check)
        elif self._confirm(self._consentText(build, isOffline=False)):
            self._run(lambda: self._install.install(build.name))

    def _onInstallOffline(self) -> None:
        folder = self._chooseFolder(_("Folder of wheels"))
        if folder and self._confirm(self._consentText(self._chosenBuild(), isOffline=True)):
            self._run(lambda: self._install.install(self._chosenBuild().name, Path(folder)))

    def _onSaveWheels(self) -> None:
        build, folder = self._chosenBuild(), self._chooseFolder(_("Folder to save the wheels in"))
        text = _("Download about {size} into {folder}?").format(size=formatBytes(build.downloadBytes), folder=folder)
        if folder and self._confirm(text):
            self._run(lambda: self._install.saveWheels(build.name, Path(folder)))

    def _onRemove(self) -> None:
        if self._confirm(_("Remove the engine from this computer? Models, projects and settings stay.")):
            self._run(self._install.remove)

    def _onUseCommand(self) -> None:
        text = self._ui.commandLineEdit.text.strip()
        try:
            if text:
                findProgram(splitCommandLine(text))
        except Problem as problem:
            self._ui.commandProblemLabel.setText(str(problem))
            return
        self._ui.commandProblemLabel.setText("")
        self._settings.setValue("command", text)
        self.refresh()
        self.engineChanged.emit()

    def _onFieldEdited(self, name: str) -> None:
        text = getattr(self._ui, name + "LineEdit").text.strip()
        if text != self._settings.value(name):
            self._settings.setValue(name, text)
            self.refresh()
            if name == "folder":
                self.engineChanged.emit()

    def _onBuildChosen(self, *_index: Any) -> None:
        self._settings.setValue("build", self._ui.buildComboBox.currentData or AUTOMATIC)
        self.refresh()

    def _onCopyLog(self) -> None:
        slicer.app.clipboard().setText(self._ui.engineLogText.plainText)

    def _run(self, action: Callable[[], None]) -> None:
        self._message = ""
        self._ui.engineLogText.clear()
        self._ui.engineProgressBar.setValue(0)
        try:
            action()
        except Problem as problem:
            self._message = str(problem)
        self.refresh()

    def _onProgress(self, fraction: float, stage: str) -> None:
        self._ui.engineProgressBar.setValue(round(100 * fraction))
        self._ui.engineStageLabel.setText(_(stage))

    def _onLogged(self, line: str) -> None:
        self._ui.engineLogText.appendPlainText(line)

    def _onFinished(self, isSuccess: bool, sentence: str) -> None:
        self._message = "" if isSuccess else sentence
        self._onLogged(sentence)
        self.refresh()
        self.engineChanged.emit()

    def _lookForGpu(self) -> None:
        self._gpuProcess, self._gpuOutput = self._makeProcess(), b""
        self._gpuProcess.printed.connect(self._onGpuPrinted)
        self._gpuProcess.ended.connect(self._onGpuEnded)
        self._gpuProcess.start(QUERY, slicer.util.startupEnvironment())

    def _onGpuPrinted(self, data: bytes) -> None:
        self._gpuOutput += data

    def _onGpuEnded(self, _exitCode: Optional[int], _reason: str) -> None:
        self._showBuilds()
        self.refresh()

    def _showBuilds(self) -> None:
        """List the builds; the automatic choice says what it is and why."""
        box, chosen = self._ui.buildComboBox, self._settings.value("build")
        suggestion = self._suggestion()
        box.blockSignals(True)
        box.clear()
        if suggestion is not None:
            box.addItem(_("Automatic: {build}").format(build=BUILD_NAMES[suggestion.build]), AUTOMATIC)
            box.setToolTip(_("Chosen because {reason}.").format(reason=suggestion.reason))
            for name in self._builds():
                box.addItem(BUILD_NAMES[name], name)
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.blockSignals(False)

    def _builds(self) -> Dict[str, EngineBuild]:
        try:
            return self._install.catalog.builds()
        except EngineUnavailable:
            return {}

    def _suggestion(self) -> Optional[Suggestion]:
        builds = self._builds()
        return suggestBuild(builds, readGpus((self._gpuOutput or b"").decode("utf-8", "replace"))) if builds else None

    def _chosenBuild(self) -> EngineBuild:
        builds, chosen = self._builds(), self._settings.value("build")
        return builds[chosen] if chosen in builds else builds[self._suggestion().build]

    def _describeSize(self) -> str:
        if not self._builds():
            return ""
        build = self._chosenBuild()
        text = _("Download {download}, on disk {disk}.") if build.isMeasured else _("Download about {download}, on disk {disk}.")
        return text.format(download=formatBytes(build.downloadBytes), disk=formatBytes(build.diskBytes))

    def _consentText(self, build: EngineBuild, isOffline: bool) -> str:
        parts = [_("Install the engine ({build} build)?").format(build=BUILD_NAMES[build.name])]
        parts += [_("Nothing is downloaded.") if isOffline else self._describeDownload(build)]
        parts += [_("It takes {disk} in {folder}.").format(disk=formatBytes(build.diskBytes), folder=self._settings.layout().root)]
        parts += [_("Slicer's own Python is not changed.")]
        return " ".join(parts)

    def _describeDownload(self, build: EngineBuild) -> str:
        text = _("About {size} will be downloaded from {source}.")
        sources = [self._settings.value("packageIndex") or "pypi.org"]
        if build.torchIndex:
            sources.append(self._settings.value("torchIndex") or build.torchIndex)
        return text.format(size=formatBytes(build.downloadBytes), source=_(" and ").join(sources))

    def _stateText(self, state: EngineState) -> str:
        if self._install.isRunning():
            return _("Setting up the engine...")
        return self._message or state.sentence

    def _installText(self, state: EngineState) -> str:
        if state.kind == BROKEN:
            return _("Repair")
        if state.kind == OUTDATED:
            return _("Update")
        if state.kind == READY:
            build = self._chosenBuild() if self._builds() else None
            isSame = build is None or state.record.build == build.name
            return _("Check") if isSame else _("Switch to {build}").format(build=BUILD_NAMES[build.name])
        return _("Install")


def _describeOwn(text: str) -> str:
    try:
        host = EngineCommand(tuple(splitCommandLine(text))).remoteHost
    except Problem as problem:
        return str(problem)
    if host:
        return _("Your own command, on the computer “{host}”; scans are sent there once you agree.").format(host=host)
    return _("Your own command: {command}").format(command=text)


def _confirmWithSlicer(text: str) -> bool:
    return bool(slicer.util.confirmOkCancelDisplay(text, windowTitle=_("VQSeg engine")))


def _chooseFolderWithQt(title: str) -> str:
    return str(qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title) or "")
