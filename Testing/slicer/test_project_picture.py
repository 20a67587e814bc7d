"""The project section fits into the module panel; with VQSEG_SCREENSHOTS=folder its pictures are saved there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import qt
from test_panel_picture import PANEL_WIDTH, save


def test_the_project_section_fits_into_the_module_panel(
    panel: Any, make_volume: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = panel("--organs")
    opened.window.resize(PANEL_WIDTH, 1000)
    opened.open(make_volume(np.zeros((40, 24, 24), np.int16), name="CT head and neck"))
    for name in ("engineCollapsibleButton", "segmentCollapsibleButton", "proposalCollapsibleButton"):
        getattr(opened, name).collapsed = True
    opened.projectCollapsibleButton.collapsed = False
    opened.newProjectButton.click()
    widths = [opened.window.minimumSizeHint().width()]
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: "/projects/head and neck, full model")
    opened.openProjectButton.click()
    wait_until(lambda: opened.projectFrame.isVisible())
    opened.segment()
    opened.annotatorLineEdit.text = "AB"
    opened.wholeCheckBox.checked = True
    opened.casesCollapsibleButton.collapsed = opened.poolCollapsibleButton.collapsed = False
    monkeypatch.setattr("slicer.util.confirmOkCancelDisplay", lambda *_args, **_options: True)
    opened.queueButton.click()
    wait_until(lambda: "Stored as" in opened.projectStatusLabel.text)
    wait_until(lambda: opened.casesTable.rowCount == 4 and opened.casesTable.item(3, 6) is not None)
    opened.nextScansButton.click()
    wait_until(lambda: opened.nextScansTable.rowCount == 1)
    opened.proposalCollapsibleButton.collapsed = True
    save(opened, "project")
    widths.append(opened.window.minimumSizeHint().width())

    assert max(widths) <= PANEL_WIDTH
