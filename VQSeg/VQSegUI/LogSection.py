"""The section that shows what happened."""

from __future__ import annotations

from typing import Any

import slicer

from VQSegUI.Resources import resourcePath


class LogSection:
    """Log section of the panel.

    Attributes:
        widget: What is put into the panel.
    """

    def __init__(self, log: Any, engine: Any) -> None:
        self._log, self._engine = log, engine
        self.widget = slicer.util.loadUI(resourcePath("UI/LogSection.ui"))
        self._ui = slicer.util.childWidgetVariables(self.widget)
        self._ui.copyReportButton.clicked.connect(self._onCopyReport)
        log.added.connect(self._ui.logText.appendPlainText)
        engine.logged.connect(log.add)

    def setScene(self, scene: Any) -> None:
        """The log is about no scene in particular."""

    def release(self) -> None:
        """Hear of the engine no longer, which may outlive the panel."""
        self._engine.logged.disconnect(self._log.add)

    def _onCopyReport(self) -> None:
        slicer.app.clipboard().setText(self._log.report(self._engine.information))
