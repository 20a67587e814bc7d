"""`slicer.ScriptedLoadableModule` as far as the module uses it: same classes, same hooks, own code."""

from __future__ import annotations

import types
import unittest
from typing import Any

from PySide6 import QtWidgets


class ModuleParent:
    """Stand-in of the C++ module that Slicer hands to the constructor; holds what is set on it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.title, self.categories, self.dependencies, self.contributors = "", [], [], []
        self.helpText = self.acknowledgementText = ""
        self.icon = None
        self.name = "VQSeg"


class ScriptedLoadableModule:
    """Base class of a module's metadata."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, filename: str) -> str:
        """Return a path under `Resources` beside the module file, where Slicer looks and nowhere else."""
        from pathlib import Path

        return str(Path(self.parent.path).parent / "Resources" / filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:  # noqa: ARG002
        """Return a line for the help text."""
        return ""


class ScriptedLoadableModuleWidget:
    """Base class of a module's panel."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent = parent or QtWidgets.QWidget()
        if self.parent.layout() is None:
            self.parent.setLayout(QtWidgets.QVBoxLayout())
        self.layout = self.parent.layout()
        self.logic = None
        self.developerMode = False

    def setup(self) -> None:
        """Make the developer section, which tests do not need."""

    def cleanup(self) -> None:
        """Called when the widget goes away."""

    def onReload(self) -> None:
        """Called by the Reload button."""


class ScriptedLoadableModuleLogic:
    """Base class of a module's logic."""

    def __init__(self, parent: Any = None) -> None:  # noqa: ARG002
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base class of a module's self-test."""

    def setUp(self) -> None:
        """Do nothing: a module that wants an empty scene closes it itself."""

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Say what the test does."""


def make_module() -> types.ModuleType:
    """Return the module `slicer.ScriptedLoadableModule`."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")
    for cls in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(module, cls.__name__, cls)
    module.__all__ = [name for name in vars(module) if name.startswith("Scripted")]
    return module
