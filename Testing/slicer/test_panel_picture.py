"""The panel fits into Slicer's narrow module panel; with VQSEG_SCREENSHOTS=folder its pictures are saved there."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from test_engine_section import Desk

from VQSegUI.EngineCatalog import EngineCatalog

PANEL_WIDTH = 480


def save(opened: Any, name: str) -> None:
    for _turn in range(20):  # labels that wrap find their height in several rounds
        slicer.app.processEvents()
        time.sleep(0.005)
    folder = os.environ.get("VQSEG_SCREENSHOTS")
    if folder:
        opened.window.grab().save(str(Path(folder) / f"{name}.png"))


def test_the_engine_section_fits_into_the_module_panel(tmp_path: Path) -> None:
    desk = Desk(tmp_path, EngineCatalog(platformTag="linux-x86_64", python="3.12"))
    for name in ("engineLogCollapsibleButton", "offlineCollapsibleButton", "advancedCollapsibleButton"):
        getattr(desk, name).collapsed = True
    desk.installButton.click()
    desk.process.say(event="progress", fraction=0.42, stage="Downloading torch")
    desk.window = desk.section.widget
    desk.window.resize(PANEL_WIDTH, desk.window.sizeHint().height())
    save(desk, "install")

    assert desk.window.minimumSizeHint().width() <= PANEL_WIDTH


def test_every_stage_of_the_panel_fits_into_the_module_panel(panel: Any, make_volume: Any, wait_until: Any) -> None:
    opened = panel("--organs", "--slow")
    opened.window.resize(PANEL_WIDTH, 860)
    opened.open(make_volume(np.zeros((40, 24, 24), np.int16), name="CT head and neck"))
    save(opened, "ready")

    opened.segmentButton.click()
    wait_until(lambda: opened.progressBar.value > 50)
    save(opened, "running")
    widths = [opened.window.minimumSizeHint().width()]
    opened.wait_for_end()
    save(opened, "panel")
    widths.append(opened.window.minimumSizeHint().width())
    opened.segmentsTable.setSelectedSegmentIDs(["Brainstem", "Mandible"])
    opened.logCollapsibleButton.collapsed = False
    opened.decide("acceptSelectedButton")
    save(opened, "accepted")
    widths.append(opened.window.minimumSizeHint().width())

    assert max(widths) <= PANEL_WIDTH
    assert "Accepted 2 segments into 'CT head and neck segmentation'." in opened.proposalLabel.text
