"""Put slicer-core and PySide6 together under the names that Slicer's Python has."""

from __future__ import annotations

import os
import sys
import types


def install() -> None:
    """Make `slicer`, `qt` and `ctk` importable as in Slicer; does nothing the second time."""
    if "qt" in sys.modules:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicer

    from slicer_harness import pythonqt

    qt = sys.modules["qt"] = pythonqt.make_qt_module()

    from slicer_harness import ctk_widgets, mrml_widgets, scripted_module, segment_editor, ui_loader

    sys.modules["ctk"] = ctk_widgets.make_ctk_module()
    ui_loader.REGISTERED = ctk_widgets.WIDGETS + mrml_widgets.WIDGETS + segment_editor.WIDGETS
    qt.QUiLoader = ui_loader.UiLoader
    for widget in mrml_widgets.WIDGETS + segment_editor.WIDGETS:
        setattr(slicer, widget.__name__, widget)

    from slicer_harness.application import make_application

    slicer.app, slicer.mrmlScene, slicer.modules = make_application()
    add_submodule(slicer, scripted_module.make_module())
    i18n = types.ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda context, text: text  # noqa: ARG005 - Slicer's signature
    add_submodule(slicer, i18n)


def add_submodule(package: types.ModuleType, module: types.ModuleType) -> None:
    """Make a module importable as a part of a package."""
    sys.modules[module.__name__] = module
    setattr(package, module.__name__.rpartition(".")[2], module)
