"""The ctk widgets that the panel uses, as plain Qt widgets with the real ones' properties and signals."""

from __future__ import annotations

import types

from PySide6 import QtCore, QtWidgets


class ctkCollapsibleButton(QtWidgets.QWidget):
    """Header button with contents below it that can be folded away."""

    contentsCollapsed = QtCore.Signal(bool)
    clicked = QtCore.Signal(bool)
    toggled = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self._header = QtWidgets.QPushButton(self)
        self._header.setObjectName("")
        self._header.setStyleSheet("text-align: left; padding: 4px 6px;")
        self._header.clicked.connect(lambda: self._set_collapsed(not self._collapsed))
        self._show()

    def resizeEvent(self, event: object) -> None:  # noqa: ARG002
        """Keep the header as wide as the section."""
        self._header.setGeometry(0, 0, self.width, 26)
        self.setContentsMargins(0, 28, 0, 0)

    def showEvent(self, event: object) -> None:  # noqa: ARG002
        """Fold the contents when the section is shown for the first time."""
        self._show()

    def _set_text(self, text: str) -> None:
        self._text = text
        self._show()

    def _set_collapsed(self, collapsed: bool) -> None:
        changed, self._collapsed = collapsed != self._collapsed, collapsed
        self._show()
        if changed:
            self.contentsCollapsed.emit(collapsed)

    def _show(self) -> None:
        self._header.setText(("▸ " if self._collapsed else "▾ ") + self._text)
        self.setContentsMargins(0, 28, 0, 0)
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget) and child is not self._header:
                child.setHidden(self._collapsed)
        self.setMaximumHeight(28 if self._collapsed else 16777215)

    text = QtCore.Property(str, lambda self: self._text, _set_text)
    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _set_collapsed)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """Group box whose contents can be folded away."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.toggled.connect(self._fold)

    def showEvent(self, event: object) -> None:  # noqa: ARG002
        """Fold the contents when the box is shown for the first time."""
        self._fold(self.checked)

    def _fold(self, opened: bool) -> None:
        for child in self.children():
            if isinstance(child, QtWidgets.QWidget):
                child.setVisible(opened)
        self.setMaximumHeight(16777215 if opened else 22)

    def _set_collapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    collapsed = QtCore.Property(bool, lambda self: not self.checked, _set_collapsed)


WIDGETS = (ctkCollapsibleButton, ctkCollapsibleGroupBox)


def make_ctk_module() -> types.ModuleType:
    """Return the module `ctk`."""
    ctk = types.ModuleType("ctk", "Stand-ins for the ctk widgets that the panel uses")
    for widget in WIDGETS:
        setattr(ctk, widget.__name__, widget)
    return ctk
