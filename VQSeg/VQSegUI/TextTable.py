"""Tables of texts."""

from __future__ import annotations

from typing import Any, Sequence

import qt


def prepareTable(table: Any) -> None:
    """Let the first column take the width that the others leave."""
    header = table.horizontalHeader()
    for column in range(1, table.columnCount):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
    header.setSectionResizeMode(0, qt.QHeaderView.Stretch)


def fillTable(table: Any, rows: Sequence[Sequence[str]]) -> None:
    """Show other rows."""
    table.setRowCount(len(rows))
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            table.setItem(number, column, item)
