"""The part of the models section that shows how two models compare on the held-out scans."""

from __future__ import annotations

from typing import Any, Dict, Optional

from VQSegUI.Comparison import caseRows, describeComparison, labelRows
from VQSegUI.TextTable import fillTable, prepareTable


class ComparisonPart:
    """Sentence and two tables."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        for table in (ui.labelsComparisonTable, ui.casesComparisonTable):
            prepareTable(table)
        self.show(None)

    def show(self, comparison: Optional[Dict[str, Any]]) -> None:
        """Show a comparison as the engine tells it, None: nothing."""
        ui = self._ui
        ui.comparisonFrame.setVisible(comparison is not None)
        if comparison is not None:
            ui.comparisonLabel.text = describeComparison(comparison)
            fillTable(ui.labelsComparisonTable, labelRows(comparison))
            fillTable(ui.casesComparisonTable, caseRows(comparison))
            ui.casesComparisonTable.setVisible(ui.casesComparisonTable.rowCount > 0)
