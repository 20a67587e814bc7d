"""Section of the panel that installs, checks, repairs and removes the engine, or takes the person's own command."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional

import qt
import slicer
from slicer.i18n import tr as _

from VQSegUI.CommandLine import findProgram, splitCommandLine
from VQSegUI.EngineBuildChoice import BUILD_NAMES, EngineBuildChoice
from VQSegUI.EngineCatalog import formatBytes
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineInstall import EngineInstall
from VQSegUI.EngineSettings import EngineSettings
from VQSegUI.EngineState import BROKEN, BUSY, OUTDATED, READY, UNAVAILABLE, EngineState
from VQSegUI.Problem import Problem
from VQSegUI.Resources import resourcePath
from VQSegUI.SetupProcess import SetupProcess
from VQSegUI.Signal import Signal

LOG_LINES = 2000
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
        self._message = ""
        self.widget = slicer.util.loadUI(resourcePath("UI/EngineSection.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._choice = EngineBuildChoice(self._ui.buildComboBox, install.catalog, settings, makeProcess)
        self._fill()
        self._connect()
        self._ui.engineCollapsibleButton.collapsed = self._isSetUp()
        self.refresh()

    def enter(self) -> None:
        """The panel is shown: look at the state, and once for a GPU."""
        self.refresh()
        self._choice.lookForGpu()

    def setScene(self, _scene: Any) -> None:
        """The engine belongs to no scene."""

    def release(self) -> None:
        """The panel goes away: nothing may go on installing."""
        self._choice.release()
        self._install.cancel()
        self._install.progressed.disconnect(self._onProgress)
        self._install.logged.disconnect(self._onLogged)
        self._install.finished.disconnect(self._onFinished)

    def refresh(self) -> None:
        """Show the state as it is now."""
        isRunning, state = self._install.isRunning(), self._install.state()
        if not self._isSetUp() and self._ui.engineCollapsibleButton.collapsed:
            self._ui.engineCollapsibleButton.collapsed = False
        ownCommand = self._settings.value("command")
        isOwn = bool(ownCommand) and not isRunning
        self._ui.engineStateLabel.setText(_describeOwn(ownCommand) if isOwn else self._stateText(state))
        self._ui.engineSizeLabel.setText(self._choice.describeSize())
        self._ui.installButton.setText(self._installText(state))
        canInstall = not isRunning and state.kind not in (UNAVAILABLE, BUSY)
        for button in (self._ui.installButton, self._ui.installOfflineButton, self._ui.saveWheelsButton):
            button.setEnabled(canInstall)
        self._ui.removeButton.setEnabled(not isRunning and state.kind in (READY, BROKEN, OUTDATED))
        for widget in (self._ui.engineCancelButton, self._ui.engineProgressBar, self._ui.engineStageLabel):
            widget.setVisible(isRunning)
        self._ui.engineSizeLabel.setVisible(self._choice.build() is not None)
        self._ui.commandProblemLabel.setVisible(bool(self._ui.commandProblemLabel.text))
        self._ui.buildComboBox.setEnabled(canInstall)
        if state.kind == UNAVAILABLE:
            self._ui.advancedCollapsibleButton.collapsed = False

    def _isSetUp(self) -> bool:
        return bool(self._settings.value("command")) or self._install.state().kind == READY

    def _fill(self) -> None:
        self._ui.engineLogText.setMaximumBlockCount(LOG_LINES)
        self._ui.commandLineEdit.setText(self._settings.value("command"))
        for name in FIELDS:
            getattr(self._ui, name + "LineEdit").setText(self._settings.value(name))

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
        self._choice.changed.connect(self.refresh)
        for name in FIELDS:
            getattr(self._ui, name + "LineEdit").editingFinished.connect(lambda name=name: self._onFieldEdited(name))

    def _onInstall(self) -> None:
        state, build = self._install.state(), self._choice.build()
        if state.kind == READY and state.record.build == build.name:
            self._run(self._install.check)
        elif self._confirm(self._choice.consentText("")):
            self._run(lambda: self._install.install(build.name))

    def _onInstallOffline(self) -> None:
        folder = self._chooseFolder(_("Folder of wheels"))
        if folder and self._confirm(self._choice.consentText(folder)):
            self._run(lambda: self._install.install(self._choice.build().name, Path(folder)))

    def _onSaveWheels(self) -> None:
        build, folder = self._choice.build(), self._chooseFolder(_("Folder to save the wheels in"))
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
            self.refresh()
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
        self._ui.engineStageLabel.setText(stage)

    def _onLogged(self, line: str) -> None:
        self._ui.engineLogText.appendPlainText(line)

    def _onFinished(self, isSuccess: bool, sentence: str) -> None:
        self._message = "" if isSuccess else sentence
        self._onLogged(sentence)
        self.refresh()
        self.engineChanged.emit()

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
            build = self._choice.build()
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
