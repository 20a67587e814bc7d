"""Load the real .ui files with the stand-in widgets, and make the connections written in them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets


class UiLoader(QtUiTools.QUiLoader):
    """QUiLoader that knows the custom widgets; slots with MRML types, which only C++ knows, are connected by name."""

    def __init__(self, custom_widgets: tuple[type[QtWidgets.QWidget], ...] = ()) -> None:
        super().__init__()
        for widget in custom_widgets or REGISTERED:
            self.registerCustomWidget(widget)

    def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
        """Return the top widget of an opened file."""
        path = Path(file.fileName())
        with_connections = ElementTree.parse(path)
        connections = list(with_connections.iter("connection"))
        for parent in with_connections.iter():
            for child in [child for child in parent if child.tag == "connections"]:
                parent.remove(child)
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(with_connections.getroot()))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer)
        for connection in connections:
            connect(widget, connection)
        return widget


REGISTERED: tuple[type[QtWidgets.QWidget], ...] = ()


def connect(top: QtWidgets.QWidget, connection: ElementTree.Element) -> None:
    """Make one connection of a .ui file; a sender, receiver, signal or slot that does not exist raises."""
    signal = getattr(_find(top, connection.findtext("sender")), _name(connection.findtext("signal")))
    slot: Any = getattr(_find(top, connection.findtext("receiver")), _name(connection.findtext("slot")))
    signal.connect(slot)


def _find(top: QtWidgets.QWidget, name: str) -> QtCore.QObject:
    found = top if top.objectName == name else top.findChild(QtCore.QObject, name)
    if found is None:
        msg = f"the .ui file connects '{name}', which it does not contain"
        raise LookupError(msg)
    return found


def _name(signature: str) -> str:
    return re.match(r"\w+", signature).group()
