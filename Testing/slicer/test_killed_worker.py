"""The real worker with the shipped model on a real CT, killed in the middle of each long request."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from VQSegUI.Engine import Engine
from VQSegUI.EngineCommand import EngineCommand
from VQSegUI.Proposal import segmentIDs

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "Resources" / "models" / "vqseg-openkbp-headneck.safetensors"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="kill -9 is a POSIX signal"),
    pytest.mark.skipif(not SHIPPED.is_file(), reason="the shipped model is not in this checkout"),
]


class RealWorker:
    """Starts the worker as a checkout does."""

    def command(self) -> EngineCommand:
        return EngineCommand((sys.executable, "-m", "VQSegLib.worker"), {"PYTHONPATH": str(ROOT)})


@pytest.fixture
def opened(make_panel: Any, wait_until: Any) -> Any:
    panel = make_panel(Engine(RealWorker()))
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(ROOT / "Resources" / "demo" / "image.nii.gz"))
    assert storage.ReadData(ct)
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(ct.GetID())
    panel.widget.enter()
    wait_until(lambda: panel.segmentButton.enabled, 300)
    return panel


def scene_voxels() -> dict[str, np.ndarray]:
    """Return every segment of every segmentation of the scene, and the names of all other volumes."""
    classes = ("vtkMRMLVolumeNode", "vtkMRMLSegmentationNode")
    nodes = [node for each in classes for node in slicer.util.getNodesByClass(each)]
    found = {node.GetID(): np.empty(0, bool) for node in nodes}
    for node in nodes:
        if node.IsA("vtkMRMLSegmentationNode"):
            for each in segmentIDs(node):
                found[f"{node.GetID()} {each}"] = slicer.util.arrayFromSegmentBinaryLabelmap(node, each).astype(bool)
    return found


def kill_during(opened: Any, button: Any, label: Any, stage: str, wait_until: Any) -> None:
    """Click, kill the worker in that stage, and see that the panel says so and the scene is as it was."""
    before, idle, killed = scene_voxels(), button.text, opened.engine.processID()
    button.click()
    wait_until(lambda: stage in label.text, 300)
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: button.text == idle, 60)

    assert label.text.startswith("The engine stopped unexpectedly")
    assert label.text.count(".") == 1
    wait_until(lambda: opened.engine.state == "ready", 300)
    assert opened.engine.processID() != killed
    after = scene_voxels()
    assert after.keys() == before.keys()
    for each, voxels in before.items():
        np.testing.assert_array_equal(after[each], voxels, err_msg=each)


def test_whatever_the_worker_was_doing_the_scene_is_unchanged(opened: Any, edit: Any, wait_until: Any) -> None:
    ct = slicer.util.getNode("CT")
    kill_during(opened, opened.segmentButton, opened.statusLabel, "Segmenting", wait_until)

    opened.segmentButton.click()
    wait_until(lambda: opened.segmentButton.text == "Segment", 300)
    opened.reviewCollapsibleButton.collapsed = False
    kill_during(opened, opened.unsureButton, opened.reviewStatusLabel, "Perturbing", wait_until)

    opened.decide("acceptAllButton")
    mine = opened.targetSelector.currentNode()
    drawn = np.zeros(slicer.util.arrayFromVolume(ct).shape, bool)
    drawn[20, 80:120, 80:120] = True
    edit(mine, segmentIDs(mine)[0], ct, drawn)
    wait_until(opened.widget._review._correct._edits.isUpToDate, 60)
    kill_during(opened, opened.refineButton, opened.reviewStatusLabel, "Learning", wait_until)

    # The restarted worker knows neither scan nor model yet; refining works all the same.
    opened.refineButton.click()
    wait_until(lambda: "Refined" in opened.reviewStatusLabel.text, 600)
