"""The window stays alive while a large CT is queued and opened again; judged as in test_heartbeat.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import qt
import slicer
from test_heartbeat import LARGE, LONGEST_BLOCK_SECONDS, SMALL

PROJECT = "/projects/mine"


@pytest.mark.parametrize("shape", [SMALL, LARGE])
def test_queueing_and_opening_never_block_the_window(
    panel: Any,
    make_volume: Any,
    wait_until: Any,
    heartbeat: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    shape: tuple[int, int, int],
) -> None:
    opened = panel("--organs")
    monkeypatch.setattr(qt.QFileDialog, "getExistingDirectory", lambda *_: PROJECT)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_args, **_options: True)
    scan = np.random.default_rng(0).integers(-1000, 1000, shape, dtype=np.int16)
    opened.open(make_volume(scan, name="CT"))
    opened.openProjectButton.click()
    wait_until(lambda: opened.widget.project.isOpen())
    opened.segment()
    opened.wholeCheckBox.checked = True
    opened.casesCollapsibleButton.collapsed = False

    beat = heartbeat(lambda: f"{opened.projectStatusLabel.text} | {opened.proposalLabel.text}")
    opened.queueButton.click()
    wait_until(lambda: "Stored as" in opened.projectStatusLabel.text, 300)
    blocks = [beat.longest()]
    slicer.mrmlScene.Clear(0)
    wait_until(lambda: opened.casesTable.rowCount == 1 and opened.casesTable.item(0, 6) is not None)
    opened.casesTable.selectRow(0)
    beat = heartbeat(lambda: f"{opened.projectStatusLabel.text} | {opened.proposalLabel.text}")
    opened.openCaseButton.click()
    wait_until(lambda: "Opened" in opened.projectStatusLabel.text, 300)

    blocks.append(beat.longest())
    with capsys.disabled():
        for seconds, on_clock, when in blocks:
            print(
                f"\nlongest block {1000 * seconds:.0f} ms ({1000 * on_clock:.0f} ms on the clock) at '{when}'", end=""
            )
    assert max(blocks)[0] < LONGEST_BLOCK_SECONDS
