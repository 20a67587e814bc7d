"""The review section fits into the module panel; with VQSEG_SCREENSHOTS=folder its pictures are saved there."""

from __future__ import annotations

from typing import Any

import numpy as np
from test_panel_picture import PANEL_WIDTH, save


def test_every_stage_of_the_review_fits_into_the_module_panel(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--organs")
    opened.window.resize(PANEL_WIDTH, 1000)
    volume = make_volume(np.zeros((40, 24, 24), np.int16), name="CT head and neck")
    opened.open(volume)
    opened.segment()
    for name in ("engineCollapsibleButton", "segmentCollapsibleButton", "proposalCollapsibleButton"):
        getattr(opened, name).collapsed = True
    opened.reviewCollapsibleButton.collapsed = False
    opened.unsureButton.click()
    wait_until(lambda: opened.unsureTable.rowCount > 0)
    opened.nextButton.click()
    opened.markButton.click()
    save(opened, "review")

    assert opened.window.minimumSizeHint().width() <= PANEL_WIDTH
