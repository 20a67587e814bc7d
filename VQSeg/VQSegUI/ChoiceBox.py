"""Combo boxes whose rows stand for values; they are filled and set without telling anybody."""

from __future__ import annotations

from typing import Any, Sequence, Tuple


def fillChoices(comboBox: Any, rows: Sequence[Tuple[str, str]]) -> None:
    """Show other rows of text and value; the choice is set afterwards."""
    wasBlocked = comboBox.blockSignals(True)
    comboBox.clear()
    for text, data in rows:
        comboBox.addItem(text, data)
    comboBox.blockSignals(wasBlocked)


def selectChoice(comboBox: Any, data: str) -> None:
    """Select the row of a value; none when there is no such row."""
    wasBlocked = comboBox.blockSignals(True)
    comboBox.setCurrentIndex(comboBox.findData(data))
    comboBox.blockSignals(wasBlocked)
