"""Training and models sections fit into the module panel; with VQSEG_SCREENSHOTS=folder their pictures are saved."""

from __future__ import annotations

from typing import Any

import pytest
from test_panel_picture import PANEL_WIDTH, save


def test_every_stage_of_training_fits_into_the_module_panel(
    panel: Any, make_volume: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("VQSegUI.RunWatch.POLL_MILLISECONDS", 50)
    opened = panel("--worse")
    opened.window.resize(PANEL_WIDTH, 1000)
    opened.open(make_volume(name="CT head and neck"))
    for name in ("engineCollapsibleButton", "segmentCollapsibleButton", "proposalCollapsibleButton"):
        getattr(opened, name).collapsed = True
    opened.trainingCollapsibleButton.collapsed = False
    opened.widget.project.open("/data/model project with a rather long name")
    wait_until(lambda: opened.startRunButton.enabled)
    opened.measureButton.click()
    wait_until(lambda: "about" in opened.presetComboBox.currentText)
    save(opened, "plan-fake")
    widths = [opened.window.minimumSizeHint().width()]
    opened.startRunButton.click()
    wait_until(lambda: opened.runProgressBar.value >= 50)
    save(opened, "training-fake")
    widths.append(opened.window.minimumSizeHint().width())
    wait_until(lambda: opened.modelsTable.rowCount == 2)
    opened.trainingCollapsibleButton.collapsed = True
    opened.modelsCollapsibleButton.collapsed = False
    wait_until(lambda: opened.promoteButton.enabled)
    opened.promoteButton.click()
    wait_until(lambda: opened.reasonFrame.isVisible())
    save(opened, "worse-fake")
    widths.append(opened.window.minimumSizeHint().width())
    opened.compareScanButton.click()
    wait_until(lambda: opened.keepFrame.isVisible())
    save(opened, "compare-fake")
    widths.append(opened.window.minimumSizeHint().width())

    assert max(widths) <= PANEL_WIDTH
