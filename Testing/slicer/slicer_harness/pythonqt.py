"""PythonQt's habits on top of PySide6: what slicer.md calls true of Slicer's Python, as far as the module uses it."""

from __future__ import annotations

import types
import weakref
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

VIRTUAL = {"sizeHint", "minimumSizeHint"}
"""Qt properties whose getters C++ calls through Python: hiding those behind attributes would recurse for ever."""


def make_qt_module() -> types.ModuleType:
    """Return the module `qt`: every class of PySide6's three modules under one name, with PythonQt's habits."""
    qt = types.ModuleType("qt", "PySide6 with PythonQt's habits")
    for source in (QtCore, QtGui, QtWidgets, QtUiTools):
        # PySide6 makes its classes on demand: `dir` knows them all, `vars` only those asked for.
        for name in dir(source):
            if name[0] == "Q":
                setattr(qt, name, getattr(source, name))
    qt.Qt = QtCore.Qt
    qt.QSettings = IniSettings
    for source in (QtCore, QtWidgets):
        for value in [getattr(source, name) for name in dir(source)]:
            if isinstance(value, type) and issubclass(value, QtCore.QObject):
                show_properties_as_attributes(value)
    add_object_habits()
    for cls in (QtCore.QTimer, QtCore.QProcess):
        hold_on_to_slots(cls)
    return qt


SLOTS: dict[int, list[Any]] = {}
"""What is connected to the timers and processes that live, by the number of the object."""


class HoldingSignal:
    """A signal that keeps what is connected to it alive for as long as its object lives, as all of PythonQt's do.

    Python's garbage collector cannot see that, so an object whose own method is connected to a timer that it holds is
    never freed. PySide6 alone would free it.
    """

    def __init__(self, owner: QtCore.QObject, signature: str) -> None:
        self._owner, self._signature = owner, QtCore.SIGNAL(signature)

    def connect(self, slot: Any) -> None:
        """Call `slot` from now on."""
        number = id(self._owner)
        if number not in SLOTS:
            SLOTS[number] = []
            weakref.finalize(self._owner, SLOTS.pop, number)
        SLOTS[number].append(slot)
        QtCore.QObject.connect(self._owner, self._signature, slot)

    def disconnect(self, slot: Any) -> None:
        """Call `slot` no longer."""
        SLOTS[id(self._owner)].remove(slot)
        QtCore.QObject.disconnect(self._owner, self._signature, slot)


def hold_on_to_slots(cls: type[QtCore.QObject]) -> None:
    """Let all signals of a class hold on to what is connected to them."""
    meta = cls.staticMetaObject
    for method in [meta.method(index) for index in range(meta.methodOffset(), meta.methodCount())]:
        if method.methodType() == QtCore.QMetaMethod.MethodType.Signal:
            signature = method.methodSignature().data().decode()
            setattr(cls, method.name().data().decode(), property(lambda self, of=signature: HoldingSignal(self, of)))


class IniSettings(QtCore.QSettings):
    """Settings in a file, so that tests never touch the user's own; `QSettings.setPath` says where."""

    def __init__(self) -> None:
        super().__init__(QtCore.QSettings.Format.IniFormat, QtCore.QSettings.Scope.UserScope, "VQSeg", "Tests")


def show_properties_as_attributes(cls: type[QtCore.QObject]) -> None:
    """Make `widget.text` the text and `widget.text = ...` set it, as in PythonQt; setters and `isX()` stay."""
    meta = cls.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        name = meta.property(index).name()
        if name not in VIRTUAL and not (cls is QtCore.QTimer and name == "singleShot"):
            setattr(cls, name, _attribute(name))


def add_object_habits() -> None:
    """Give every object `name` and `className()`; of PythonQt's two ways to connect only `signal.connect(f)` works."""
    QtCore.QObject.name = _attribute("objectName")
    QtCore.QObject.className = lambda self: self.metaObject().className()


def _attribute(name: str) -> property:
    return property(
        lambda self: QtCore.QObject.property(self, name),
        lambda self, value: QtCore.QObject.setProperty(self, name, value),
    )
