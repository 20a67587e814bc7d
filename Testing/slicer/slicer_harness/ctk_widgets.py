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
        self._hidden: list[QtWidgets.QWidget] = []
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
        """Fold the contents, which the .ui file adds after it has set `collapsed`."""
        self._fold()

    def _set_text(self, text: str) -> None:
        self._text = text
        self._show()

    def _set_collapsed(self, collapsed: bool) -> None:
        changed, self._collapsed = collapsed != self._collapsed, collapsed
        self._show()
        self._fold()
        if changed:
            self.contentsCollapsed.emit(collapsed)

    def _show(self) -> None:
        self._header.setText(("▸ " if self._collapsed else "▾ ") + self._text)
        self.setContentsMargins(0, 28, 0, 0)
        self.setMaximumHeight(28 if self._collapsed else 16777215)

    def _fold(self) -> None:
        """Hide the contents, or show again what folding has hidden; what the panel has hidden itself stays hidden."""
        contents = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
        for child in contents:
            if self._collapsed and child is not self._header and not child.isHidden():
                self._hidden.append(child)
                child.hide()
        if not self._collapsed:
            for child in self._hidden:
                child.show()
            self._hidden = []

    text = QtCore.Property(str, lambda self: self._text, _set_text)
    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _set_collapsed)


WIDGETS = (ctkCollapsibleButton,)


def make_ctk_module() -> types.ModuleType:
    """Return the module `ctk`."""
    ctk = types.ModuleType("ctk", "Stand-ins for the ctk widgets that the panel uses")
    for widget in WIDGETS:
        setattr(ctk, widget.__name__, widget)
    return ctk
