"""The part of the training section that shows what the run's process wrote, wherever it runs."""

from __future__ import annotations

from typing import Any


class RunLogPart:
    """A collapsed text area; the log is fetched only while it is unfolded.

    Args:
        ui: Widgets of the section.
        watch: The `RunWatch`.
    """

    def __init__(self, ui: Any, watch: Any) -> None:
        self._text, self._watch = ui.runLogText, watch
        ui.runLogCollapsibleButton.contentsCollapsed.connect(lambda isCollapsed: watch.fetchLog(not isCollapsed))
        watch.logged.connect(self._show)

    def _show(self) -> None:
        """Show the lines; who reads the end goes on reading the end, who scrolled up stays there."""
        bar = self._text.verticalScrollBar()
        position = bar.value
        wasAtEnd = position >= bar.maximum
        self._text.setPlainText("\n".join(self._watch.log))
        bar.value = bar.maximum if wasAtEnd else position
