"""From corrected scans to a better model and back, in one go: real workers, a real run, and a person who clicks.

With VQSEG_SCREENSHOTS=folder the pictures of the README are saved there.

The scans are pieces of a real CT; the network is tiny, and starts from random weights.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
import vtk

from VQSegLib.image_files import load_volume
from VQSegLib.labels import Label, LabelTable
from VQSegLib.models.card import ModelCard, TrainingRecord
from VQSegLib.models.checkpoint import save_checkpoint
from VQSegLib.models.config import ConvEncoderConfig, NetworkConfig, PreprocessingConfig, QuantizerConfig
from VQSegLib.models.network import build_network
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume
from VQSegUI.CurvePlot import NODE_ATTRIBUTE
from VQSegUI.Engine import Engine
from VQSegUI.EngineCommand import EngineCommand

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "Resources" / "demo"
LABELS = LabelTable(
    labels=(Label(value=3, name="Bone", color=(240, 220, 170)), Label(value=6, name="Muscle", color=(190, 80, 70)))
)
TRAINING = {
    "method": {"name": "vqseg", "code_perturbation": {"refresh_steps": 10}},
    "optimizer": {"learning_rate": 0.05, "warmup_steps": 0},
    "data": {"patch_size": [8, 16, 16], "batch_labeled": 2, "batch_unlabeled": 2, "workers": 0},
}
SETTINGS = (
    "max_steps=200 validation_interval=25 log_interval=2 device.threads=1 method.ema_decay=0.8 "
    "optimizer.learning_rate=0.03"
)
PATIENTS = 10
NEW = 20
"""Number of the piece that the person segments and corrects in Slicer."""


class RealWorker:
    """Starts the worker as a checkout does, on a machine of its own."""

    def __init__(self, machine: Path) -> None:
        names = ("XDG_CACHE_HOME", "XDG_STATE_HOME", "LOCALAPPDATA", "HOME")
        self.environment = {**dict.fromkeys(names, str(machine)), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def command(self) -> EngineCommand:
        return EngineCommand((sys.executable, "-m", "VQSegLib.worker"), self.environment)


def cut_scan(number: int) -> tuple[Volume, Volume]:
    """Return a piece of the demo CT with what a person would have drawn: bone and muscle."""
    whole = load_volume(DEMO / "image.nii.gz")
    k, j, i = 68 + 2 * (number % 4), 46 + 4 * (number // 4), 44 + 3 * (number % 3)
    array = np.ascontiguousarray(whole.array[k : k + 14, j : j + 32, i : i + 32])
    label = np.where(array > 200, 3, np.where((array > 0) & (array < 150), 6, 0)).astype(np.uint8)
    return Volume(array, whole.affine_ijk_to_ras), Volume(label, whole.affine_ijk_to_ras)


@pytest.fixture
def weak_model(tmp_path: Path) -> Path:
    """Write a tiny network with random weights."""
    import torch

    torch.manual_seed(2)
    network = NetworkConfig(
        spatial_dims=3,
        num_classes=3,
        encoder=ConvEncoderConfig(channels=(8, 16), strides=((1, 1, 1), (2, 2, 2))),
        quantizer=QuantizerConfig(codebook_size=16, code_dim=4),
    )
    training = TrainingRecord(method="vqseg", config=TRAINING)
    preprocessing = PreprocessingConfig(patch_size=(8, 16, 16))
    card = ModelCard(name="weak", network=network, preprocessing=preprocessing, labels=LABELS, training=training)
    path = tmp_path / "weak.safetensors"
    save_checkpoint(path, build_network(network), card)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project of labeled and unlabeled pieces."""
    made = Project.create(tmp_path / "Köpfe und Hälse", LABELS)
    for number in range(PATIENTS):
        made.add_case(*cut_scan(number))
    made.add_case(cut_scan(PATIENTS)[0], None)
    return made.path


def load_scan(number: int) -> Any:
    """Show a piece of the CT in Slicer."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT piece")
    slicer.util.updateVolumeFromArray(node, cut_scan(number)[0].array)
    node.SetSpacing(4.688, 4.688, 3.0)
    return node


def segment(opened: Any, volume: Any, voxels: Callable[..., Any]) -> dict[str, int]:
    """Click Segment and return how many voxels each structure has."""
    proposal = opened.segment()
    segmentation = proposal.GetSegmentation()
    names = [segmentation.GetNthSegment(each).GetName() for each in range(segmentation.GetNumberOfSegments())]
    return {name: int(voxels(proposal, name, volume).sum()) for name in names}


def correct(opened: Any, volume: Any, voxels: Callable[..., Any], edit: Callable[..., None]) -> None:
    """Accept the proposal and draw what is right, as a person does with Paint and Erase."""
    opened.decide("acceptAllButton")
    mine, right = opened.targetSelector.currentNode(), cut_scan(NEW)[1].array
    for label in LABELS.labels:
        segment_id = mine.GetSegmentation().GetSegmentIdBySegmentName(label.name)
        segment_id = segment_id or mine.GetSegmentation().AddEmptySegment(label.name, label.name)
        wanted, drawn = right == label.value, voxels(mine, label.name, volume)
        edit(mine, segment_id, volume, wanted & ~drawn)
        edit(mine, segment_id, volume, drawn & ~wanted, erase=True)


def plotted() -> int:
    """Return how many steps the plot of the losses has."""
    tables = [each for each in slicer.util.getNodesByClass("vtkMRMLTableNode") if each.GetAttribute(NODE_ATTRIBUTE)]
    losses = [each for each in tables if each.GetAttribute(NODE_ATTRIBUTE) == "losses"]
    return losses[0].GetNumberOfRows() if losses else 0


def picture(section: Any, name: str) -> None:
    """Save a section of the panel where the README's pictures are wanted."""
    folder = os.environ.get("VQSEG_SCREENSHOTS")
    if not folder:
        return
    for _turn in range(20):
        section.widget.resize(480, section.widget.sizeHint().height())
        slicer.app.processEvents()
        time.sleep(0.005)
    section.widget.grab().save(str(Path(folder) / f"{name}.png"))


def plot_picture(name: str) -> None:
    """Draw the charts of the scene as Slicer's plot view does, one beside the other."""
    folder = os.environ.get("VQSEG_SCREENSHOTS")
    if not folder:
        return
    view = vtk.vtkContextView()
    view.GetRenderWindow().SetOffScreenRendering(1)
    view.GetRenderWindow().SetSize(960, 320)
    matrix = vtk.vtkChartMatrix()
    matrix.SetSize(vtk.vtkVector2i(2, 1))
    matrix.SetGutter(vtk.vtkVector2f(70, 0))
    view.GetScene().AddItem(matrix)
    for number, node in enumerate(slicer.util.getNodesByClass("vtkMRMLPlotChartNode")):
        chart = matrix.GetChart(vtk.vtkVector2i(number, 0))
        chart.SetTitle(node.GetTitle())
        chart.SetShowLegend(True)
        chart.GetAxis(0).SetTitle(node.GetYAxisTitle())
        chart.GetAxis(1).SetTitle(node.GetXAxisTitle())
        for index in range(node.GetNumberOfPlotSeriesNodes()):
            series = node.GetNthPlotSeriesNode(index)
            plot, table = chart.AddPlot(vtk.vtkChart.LINE), series.GetTableNode().GetTable()
            plot.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
            plot.SetColorF(*series.GetColor())
            plot.SetLabel(series.GetName())
    view.Render()
    grabber, writer = vtk.vtkWindowToImageFilter(), vtk.vtkPNGWriter()
    grabber.SetInput(view.GetRenderWindow())
    writer.SetInputConnection(grabber.GetOutputPort())
    writer.SetFileName(str(Path(folder) / f"{name}.png"))
    writer.Write()


def test_corrected_scans_make_a_better_model_that_segment_uses(
    make_panel: Any,
    wait_until: Any,
    heartbeat: Any,
    voxels: Any,
    edit: Any,
    project: Path,
    weak_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.monotonic()
    first = make_panel(Engine(RealWorker(tmp_path / "machine")))
    scan = load_scan(NEW)
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(scan.GetID())
    first.widget.enter()
    wait_until(lambda: first.engine.state == "ready", 120)
    first.trainingCollapsibleButton.collapsed = first.modelsCollapsibleButton.collapsed = False
    first.widget.project.open(str(project))
    wait_until(lambda: "No model is in use" in first.planLabel.text, 60)

    # A weak model is taken into the project.
    first.widget.addModelFile(str(weak_model))
    wait_until(lambda: first.parameters.model == str(weak_model))
    first.adoptButton.click()
    wait_until(lambda: first.modelComboBox.currentText == "weak (in use in Köpfe und Hälse)", 60)
    before = segment(first, scan, voxels)

    # What it found is corrected, accepted and queued.
    correct(first, scan, voxels, edit)
    first.annotatorLineEdit.text = "Dr. Ö"
    first.annotatorLineEdit.editingFinished.emit()
    first.wholeCheckBox.checked = True
    first.queueButton.click()
    wait_until(lambda: "Stored as" in first.projectStatusLabel.text, 60)

    # A run starts, its curves move.
    first.settingsLineEdit.text = SETTINGS
    first.settingsLineEdit.editingFinished.emit()
    wait_until(lambda: first.startRunButton.enabled and "9 labeled" in first.planLabel.text, 60)
    beat = heartbeat(lambda: f"{first.trainingStatusLabel.text} | {first.runLabel.text}")
    first.startRunButton.click()
    wait_until(lambda: first.widget._watch.run is not None, 60)
    first.curvesButton.click()
    wait_until(lambda: plotted() >= 2, 60)
    seen = plotted()
    wait_until(lambda: plotted() > seen, 60)
    wait_until(lambda: " left. " in first.runLabel.text and "Validation Dice" in first.runLabel.text, 60)
    first.runLogCollapsibleButton.collapsed = False
    wait_until(lambda: "INFO Training" in first.runLogText.toPlainText(), 60)
    picture(first.widget._training, "training")
    run_id, blocks = first.widget._watch.run["run_id"], [beat.longest()]

    # Slicer closes and opens: the run went on, and is found.
    first.widget.cleanup()
    first.widget.cleanup = lambda: None
    slicer.mrmlScene.Clear(0)
    scan = load_scan(NEW)
    second = make_panel(Engine(RealWorker(tmp_path / "machine")))
    beat = heartbeat(lambda: f"{second.statusLabel.text} | {second.runLabel.text} | {second.modelsStatusLabel.text}")
    slicer.app.applicationLogic().GetSelectionNode().SetActiveVolumeID(scan.GetID())
    second.widget.enter()
    second.trainingCollapsibleButton.collapsed = second.modelsCollapsibleButton.collapsed = False
    wait_until(lambda: second.widget._watch.run is not None, 120)
    found = dict(second.widget._watch.run)
    assert found["run_id"] == run_id

    # The gate promotes the new model, and Segment uses it.
    wait_until(lambda: second.widget._watch.run["state"] != "running", 240)
    run = second.widget._watch.run
    assert run["state"] == "finished", run["stage"]
    assert run["result"]["is_promoted"], run["result"]["sentence"]
    name = run["spec"]["name"]
    wait_until(lambda: second.modelComboBox.findText(f"{name} (in use in Köpfe und Hälse)") >= 0, 60)
    assert second.comparisonLabel.text.startswith("<b>Not worse")
    picture(second.widget._models, "models")
    second.modelComboBox.setCurrentIndex(second.modelComboBox.findData(str(project)))
    after = segment(second, scan, voxels)
    assert after != before

    # Roll back: Segment uses the old one again.
    wait_until(lambda: second.rollBackButton.enabled, 60)
    second.rollBackButton.click()
    wait_until(lambda: second.modelComboBox.currentText == "weak (in use in Köpfe und Hälse)", 60)
    assert segment(second, scan, voxels) == before
    assert second.widget._shelf.history[-1]["decided_by"] == "Dr. Ö"

    blocks.append(beat.longest())
    seconds, on_clock, when = max(blocks)
    second.curvesButton.click()
    plot_picture("curves")
    dice = run["result"]["comparison"]["figures"]["dice"]
    with capsys.disabled():
        print(
            f"\nfound {found['state']} at step {found['step']}; Dice {dice['old']:.3f} to {dice['new']:.3f};", end=" "
        )
        print(f"voxels {before}, then {after}; {time.monotonic() - began:.0f} s;", end=" ")
        print(f"longest block {1000 * seconds:.0f} ms ({1000 * on_clock:.0f} ms on the clock) at '{when}'", end=" ")
    assert seconds < 0.1
