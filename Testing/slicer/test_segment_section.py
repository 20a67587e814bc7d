import sys
import numpy as np
import qt, slicer


def test_smoke(make_engine, make_volume, wait_until, tmp_path):
    from VQSegUI.Logic import VQSegLogic
    from VQSegUI.Widget import Widget

    parent = qt.QWidget()
    layout = qt.QVBoxLayout(parent)
    v = make_volume()
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(v.GetID())
    logic = VQSegLogic(engine=make_engine())
    w = Widget(layout, logic)
    w.enter()
    ui = w.sections[0]._ui
    wait_until(lambda: ui.segmentButton.enabled)
    parent.resize(480, 900)
    parent.show()
    slicer.app.processEvents()
    ui.segmentButton.click()
    assert ui.segmentButton.text == "Cancel"
    wait_until(lambda: not w.sections[0].isRunning())
    print(ui.statusLabel.text)
    slicer.app.processEvents()
    parent.grab().save("/tmp/panel1.png")
    p = w.sections[1]._ui
    print(p.proposalLabel.text)
    p.acceptAllButton.click()
    wait_until(lambda: p.undoButton.enabled)
    print(p.proposalLabel.text, [n.GetName() for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode")])
    w.sections[2]._ui.copyReportButton.click()
    print(slicer.app.clipboard().text())
    p.undoButton.click()
    print(p.proposalLabel.text)
    w.cleanup()
