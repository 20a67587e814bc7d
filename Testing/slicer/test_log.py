"""The log is complete on the screen; the report that is copied names nobody and no place."""

from __future__ import annotations

from typing import Any

import pytest
import slicer

from VQSegUI.Log import Log, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("reading /home/doe/CT/scan.nii now", "reading <path> now"),
        (r"reading C:\Users\doe\scan.nii now", "reading <path> now"),
        (r"share \\server\doe\x", "share <path>"),
        ("File '/srv/a b/c', line 3", "File '<path> b/c', line 3"),
        ("512/300 slices, 3 / 4", "512/300 slices, 3 / 4"),
        ("Doe^Jane CT was sent", "<name> was sent"),
        ("DOE^JANE ct was sent", "<name> was sent"),
        ("float32 on cuda:0 in 1.5 s", "float32 on cuda:0 in 1.5 s"),
    ],
)
def test_names_and_paths_are_taken_out(text: str, expected: str) -> None:
    assert redact(text, ["Doe^Jane CT", "CT"]) == expected


def test_the_copied_report_names_no_patient(panel: Any, make_volume: Any) -> None:
    volume = make_volume(name="Doe^Jane CT")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe^Jane")
    hierarchy.CreateItem(patient, volume)
    opened = panel()
    opened.open(volume)
    opened.segment()
    opened.decide("acceptAllButton")
    assert "Doe^Jane in /home/doe/scans/ct.nii" in opened.logText.toPlainText()

    opened.copyReportButton.click()

    report = slicer.app.clipboard().text()
    assert "Doe" not in report
    assert "/home/" not in report
    assert "segmenting for <name> in <path>" in report
    assert "Engine 0.fake" in report
    assert f"Slicer {slicer.app.applicationVersion}" in report
    assert "Segmented on cpu (float32) in 0.1 s" in report


def test_the_log_keeps_the_newest_lines() -> None:
    log = Log()
    for number in range(2500):
        log.add(f"line {number}\n\n")

    assert len(log.text().splitlines()) == 2000
    assert log.text().endswith(" line 2499")
