"""The list of builds in the engine section: what suits this computer's GPU, and what the person chose instead."""

from __future__ import annotations

from typing import Any, Callable, Dict, Optional

import slicer
from slicer.i18n import tr as _

from VQSegUI.EngineCatalog import EngineBuild, EngineCatalog, EngineUnavailable, formatBytes
from VQSegUI.EngineGpu import QUERY, Suggestion, readGpus, suggestBuild
from VQSegUI.EngineSettings import AUTOMATIC, EngineSettings
from VQSegUI.Signal import Signal

BUILD_NAMES = {"cpu": "CPU", "cuda": "CUDA (NVIDIA GPU)"}


class EngineBuildChoice:
    """Fills a combo box and answers which build is to be installed.

    Args:
        box: The combo box.
        catalog: What can be installed.
        settings: Keeps the choice.
        makeProcess: Makes the process that asks for the GPU.

    Attributes:
        changed: Emitted without values when another build is chosen or suggested.
    """

    def __init__(
        self, box: Any, catalog: EngineCatalog, settings: EngineSettings, makeProcess: Callable[[], Any]
    ) -> None:
        self.changed = Signal()
        self._box, self._catalog, self._settings, self._makeProcess = box, catalog, settings, makeProcess
        self._process: Any = None
        self._output = b""
        self._show()
        box.currentIndexChanged.connect(self._onChosen)

    def lookForGpu(self) -> None:
        """Ask the NVIDIA driver's program, once; ``changed`` follows."""
        if self._process is None:
            self._process = self._makeProcess()
            self._process.printed.connect(self._onPrinted)
            self._process.ended.connect(self._onEnded)
            self._process.start(QUERY, slicer.util.startupEnvironment())

    def release(self) -> None:
        """The combo box goes away: nothing may reach it any more."""
        if self._process is not None:
            self._process.ended.disconnect(self._onEnded)
            self._process.stop()

    def build(self) -> Optional[EngineBuild]:
        """Return the build to install; None where there is none."""
        builds, chosen = self._builds(), self._settings.value("build")
        suggestion = self._suggestion()
        return builds.get(chosen) or (builds[suggestion.build] if suggestion else None)

    def describeSize(self) -> str:
        """Return what the build costs."""
        build = self.build()
        if build is None:
            return ""
        measured, estimated = _("Download {download}, on disk {disk}."), _("Download about {download}, on disk {disk}.")
        text = measured if build.isMeasured else estimated
        return text.format(download=formatBytes(build.downloadBytes), disk=formatBytes(build.diskBytes))

    def consentText(self, wheels: str) -> str:
        """Return the question before an installation: what it downloads from where, and what it takes on disk.

        Args:
            wheels: Folder of wheels that it takes instead of the network; empty for the network.
        """
        build = self.build()
        source = _("Nothing is downloaded; the packages come from {folder}.").format(folder=wheels)
        parts = [
            _("Install the engine ({build} build)?").format(build=BUILD_NAMES[build.name]),
            source if wheels else self._describeDownload(build),
            _("It takes {disk} in {folder}.").format(
                disk=formatBytes(build.diskBytes), folder=self._settings.layout(self._catalog.python).root
            ),
            _("Slicer's own Python is not changed."),
        ]
        if self._catalog.program:
            own = _("It runs with {program}, because the Python of this Slicer is too old for it.")
            parts.append(own.format(program=self._catalog.program))
        return " ".join(parts)

    def _describeDownload(self, build: EngineBuild) -> str:
        sources = [self._settings.value("packageIndex") or "pypi.org"]
        if build.torchIndex:
            sources.append(self._settings.value("torchIndex") or build.torchIndex)
        text = _("About {size} will be downloaded from {sources}.")
        return text.format(size=formatBytes(build.downloadBytes), sources=_(" and ").join(sources))

    def _builds(self) -> Dict[str, EngineBuild]:
        try:
            return self._catalog.builds()
        except EngineUnavailable:
            return {}

    def _suggestion(self) -> Optional[Suggestion]:
        builds = self._builds()
        return suggestBuild(builds, readGpus(self._output.decode("utf-8", "replace"))) if builds else None

    def _show(self) -> None:
        box, suggestion = self._box, self._suggestion()
        box.blockSignals(True)
        box.clear()
        if suggestion is not None:
            box.addItem(_("Automatic: {build}").format(build=BUILD_NAMES[suggestion.build]), AUTOMATIC)
            box.setToolTip(_("Chosen because {reason}.").format(reason=suggestion.reason))
            for name in self._builds():
                box.addItem(BUILD_NAMES[name], name)
        box.setCurrentIndex(max(0, box.findData(self._settings.value("build"))))
        box.blockSignals(False)

    def _onChosen(self, *_index: Any) -> None:
        self._settings.setValue("build", self._box.currentData or AUTOMATIC)
        self.changed.emit()

    def _onPrinted(self, data: bytes) -> None:
        self._output += data

    def _onEnded(self, _exitCode: Optional[int], _reason: str) -> None:
        self._show()
        self.changed.emit()
