"""The private engine: its state, and one installation, check or removal at a time, in a process of its own.

Everything slow happens in EngineSetup.py, run by the engine's Python: downloading, unpacking, checking, deleting. Here
messages come in as signals, so that the panel never waits.
"""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional

import slicer

from VQSegUI.EngineCatalog import EngineCatalog
from VQSegUI.EngineCheck import startCommand
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.EngineLayout import EngineLayout
from VQSegUI.EngineMessages import Receiver
from VQSegUI.EngineSettings import EngineSettings
from VQSegUI.EngineState import BROKEN, NOT_INSTALLED, READY, EngineState, readState
from VQSegUI.Problem import Problem
from VQSegUI.SetupProcess import SetupProcess
from VQSegUI.Signal import Signal
from VQSegUI.Translation import _


class EngineInstall:
    """Owner of the private folder.

    Args:
        settings: What the person chose.
        catalog: What can be installed.
        makeProcess: Makes a process like `SetupProcess`.
        findPython: Returns the Python that installs and runs the engine.
        startupEnvironment: Returns the environment Slicer was started in.

    Attributes:
        aboutToChange: Emitted without values before packages are touched: a running engine must end first.
        progressed: Emitted with the fraction done (0..1) and the stage in words.
        logged: Emitted with a line of text.
        finished: Emitted with True after success, else False, and one sentence.
    """

    def __init__(
        self,
        settings: EngineSettings,
        catalog: Optional[EngineCatalog] = None,
        makeProcess: Callable[[], Any] = SetupProcess,
        findPython: Optional[Callable[[], str]] = None,
        startupEnvironment: Optional[Callable[[], Mapping[str, str]]] = None,
    ) -> None:
        self.aboutToChange, self.progressed, self.logged, self.finished = Signal(), Signal(), Signal(), Signal()
        self.catalog = catalog or EngineCatalog()
        self._settings, self._makeProcess = settings, makeProcess
        self._findPython = findPython or (lambda: self.catalog.program or slicerPython())
        self._startupEnvironment = startupEnvironment or slicer.util.startupEnvironment
        self._process: Any = None
        self._receiver = Receiver()
        self._outcome: Optional[Dict[str, Any]] = None
        self._failure = ""

    def state(self) -> EngineState:
        """Return the state of the private engine; a failure that was reported counts until the next success."""
        state = readState(self.layout(), self.catalog)
        if self._failure and state.kind == READY:
            return EngineState(BROKEN, _("Broken: {reason}").format(reason=self._failure), state.record)
        return state

    def layout(self) -> EngineLayout:
        """Return the private folder."""
        return self._settings.layout(self.catalog.python)

    def isRunning(self) -> bool:
        """Return whether an installation, check or removal is under way."""
        return self._process is not None

    def install(self, build: str, wheels: Optional[Path] = None) -> None:
        """Install a build, or install it again; from a folder of wheels without using the network."""
        self.aboutToChange.emit()
        torchIndex = self._settings.value("torchIndex")
        arguments = ["--build", build, *(["--wheels", str(wheels)] if wheels else [])]
        self._start("install", [*arguments, *(["--torch-index", torchIndex] if torchIndex else [])])

    def remove(self) -> None:
        """Delete the private engine."""
        self.aboutToChange.emit()
        self._start("remove", [])

    def check(self) -> None:
        """See whether everything is there and loads."""
        self._start("check", [])

    def saveWheels(self, build: str, folder: Path) -> None:
        """Download a build's wheels into a folder for computers without a network."""
        self._start("save-wheels", ["--build", build, "--wheels", str(folder)])

    def cancel(self) -> None:
        """Stop what is under way; ``finished`` follows once it has tidied up."""
        if self._process is not None:
            self._process.stop()

    def reportStart(self, sentence: str) -> None:
        """Tell why the installed engine did not start; an empty sentence when it did."""
        if self.state().kind in (READY, BROKEN):
            self._failure = sentence

    def command(self, *arguments: str) -> EngineCommand:
        """Return the command line that runs the private engine, such as ``command("worker")``.

        Raises:
            Problem: It is not ready.
        """
        state = self.state()
        if state.kind == NOT_INSTALLED:
            raise Problem(_("No engine is set up yet; install it, or give the command that starts one."))
        if state.kind != READY:
            raise Problem(_("The engine is not ready. {state}").format(state=state.sentence))
        command = startCommand(self._findPython(), state.packages, *arguments)
        return EngineCommand(tuple(command), {"PYTHONNOUSERSITE": "1", "PYTHONUTF8": "1"})

    def _start(self, action: str, arguments: List[str]) -> None:
        if self._process is not None:
            raise Problem(_("The engine's set-up is busy; wait for its end or press Cancel."))
        self._receiver, self._outcome = Receiver(), None
        self._process = self._makeProcess()
        self._process.printed.connect(self._onPrinted)
        self._process.complained.connect(lambda data: self._log(data.decode("utf-8", "replace")))
        self._process.ended.connect(self._onEnded)
        script = Path(__file__).with_name("EngineSetup.py")
        command = [self._findPython(), "-u", str(script), action, "--root", str(self.layout().root)]
        # Nothing is written beside Slicer's own packages, not even byte code.
        own = {"PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
        environment = {**self._startupEnvironment(), **self._settings.pipEnvironment(), **own}
        self._process.start([*command, "--catalog", str(self.catalog.folder), *arguments], environment)

    def _onPrinted(self, data: bytes) -> None:
        for message in self._receiver.feed(data):
            if message["event"] == "progress":
                self.progressed.emit(message["fraction"], message["stage"])
            elif message["event"] == "log":
                self._log(message["line"])
            else:
                self._outcome = message

    def _onEnded(self, exitCode: Optional[int], reason: str) -> None:
        self._process = None
        outcome = self._outcome or {"event": "failed", "sentence": self._describeEnd(exitCode, reason)}
        isSuccess = outcome["event"] == "done"
        if isSuccess:
            self._failure = ""
        elif not outcome.get("cancelled"):
            self._failure = outcome["sentence"]
        self.finished.emit(isSuccess, _("Done.") if isSuccess else outcome["sentence"])

    def _describeEnd(self, exitCode: Optional[int], reason: str) -> str:
        if exitCode is None:
            sentence = _("{python} cannot be started ({reason}); name an engine under Advanced.")
            return sentence.format(python=self.catalog.program or _("Slicer's Python"), reason=reason)
        return _("The set-up was ended from outside (status {status}); press Repair.").format(status=exitCode)

    def _log(self, text: str) -> None:
        for line in text.splitlines():
            if line.strip():
                self.logged.emit(line.rstrip())


def slicerPython() -> str:
    """Return the program that runs Slicer's Python outside Slicer.

    Raises:
        Problem: It was not found.
    """
    version = "python{}.{}".format(*sys.version_info[:2])
    beside = Path(sysconfig.get_config_var("BINDIR") or sys.base_prefix) / version
    names = ["PythonSlicer", sys.executable or "", str(beside)]
    for name in names:
        found = shutil.which(name) if Path(name).name.lower().startswith("python") else None
        if found:
            return found
    raise Problem(_("Slicer's Python was not found; name an engine installed elsewhere under Advanced."))
