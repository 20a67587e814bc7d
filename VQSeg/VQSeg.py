"""The VQSeg module of 3D Slicer: metadata, panel, file reader, self-test. Everything else is in VQSegUI."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget

try:
    import VQSegLib  # noqa: F401 - lies beside this file once installed
except ImportError:  # in a checkout it lies one folder higher, which Slicer does not look into
    sys.path.append(str(Path(__file__).resolve().parent.parent))

from VQSegUI.DemoScan import registerDemoScan
from VQSegUI.Logic import VQSegLogic
from VQSegUI.Resources import resourcePath
from VQSegUI.SelfTest import VQSegTest
from VQSegUI.Widget import Widget

__all__ = ["VQSeg", "VQSegFileReader", "VQSegLogic", "VQSegTest", "VQSegWidget"]

MODEL_SUFFIX = ".safetensors"


class VQSeg(ScriptedLoadableModule):
    """What Slicer shows about the module."""

    def __init__(self, parent):
        super().__init__(parent)
        parent.title = _("VQSeg")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        parent.dependencies = ["Segmentations", "SubjectHierarchy", "Sequences"]
        parent.contributors = ["VQSeg developers"]
        parent.helpText = _(
            "Segments CT scans with vector-quantized networks that also learn from scans without labels. "
            "Choose a scan and a model, click Segment, then accept or reject the proposal.<br>"
            "Research use only; not a medical device: every result must be checked by a qualified person."
        )
        parent.acknowledgementText = _("Built on PyTorch, MONAI and 3D Slicer.")
        parent.icon = qt.QIcon(resourcePath("Icons/VQSeg.png"))
        slicer.app.startupCompleted.connect(registerDemoScan)


class VQSegWidget(ScriptedLoadableModuleWidget):
    """The module panel."""

    def setup(self):
        """Draw the panel."""
        super().setup()
        self.panel = Widget(self.layout)

    def enter(self):
        """Called when the module is opened."""
        self.panel.enter()

    def exit(self):
        """Called when another module is opened."""
        self.panel.exit()

    def cleanup(self):
        """Called when Slicer quits or the module is reloaded."""
        self.panel.cleanup()

    def onReload(self):
        """Reload all parts of the module, not only this file."""
        for name in sorted(sys.modules, key=lambda each: each.count("."), reverse=True):
            if name.partition(".")[0] in ("VQSegUI", "VQSegLib"):
                del sys.modules[name]
        importlib.invalidate_caches()
        super().onReload()


class VQSegFileReader:
    """Lets a model file be dropped on Slicer or opened with Add Data."""

    def __init__(self, parent):
        self.parent = parent

    def description(self):
        """Return what the file is called in the dialog."""
        return _("VQSeg model")

    def fileType(self):
        """Return the name of the file type."""
        return "VQSegModel"

    def extensions(self):
        """Return the file name filters."""
        return [_("VQSeg model") + " (*" + MODEL_SUFFIX + ")"]

    def canLoadFile(self, filePath):
        """Return whether this reader is meant for a file."""
        return filePath.lower().endswith(MODEL_SUFFIX)

    def load(self, properties):
        """Choose the model in the panel; no node is made, since a model belongs to no scene."""
        slicer.util.selectModule("VQSeg")
        slicer.util.getModuleWidget("VQSeg").panel.addModelFile(properties["fileName"])
        self.parent.loadedNodes = []
        return True
