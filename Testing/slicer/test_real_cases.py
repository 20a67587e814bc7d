"""From a segmented scan to a case of a project and back, with the real worker process and a real project folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer
from test_real_worker import RealWorker

from VQSegLib.project.folder import Project
from VQSegUI.CaseNodes import caseOf
from VQSegUI.Engine import Engine
from VQSegUI.Logic import VQSegLogic
from VQSegUI.ReviewMarks import Marks, reviewedSlices, writeMarks
from VQSegUI.SceneBridge import readScan
from VQSegUI.SegmentBridge import referenceVolume


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """One warm engine for all tests of this file, as a person has it."""
    made = Engine(RealWorker())
    yield made
    made.stopNow()


@pytest.fixture
def logic(engine: Engine) -> VQSegLogic:
    return VQSegLogic(engine=engine)


@pytest.fixture
def project(tmp_path: Path, tiny_labels: Any) -> Project:
    return Project.create(tmp_path / "Projekt ä 1", tiny_labels)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, (6, 24, 32)).astype(np.int16)


def test_a_queued_scan_lies_in_the_project_voxel_by_voxel_and_comes_back(
    logic: VQSegLogic, project: Project, make_volume: Any, tiny_model: Path, edit: Any, voxels: Any
) -> None:
    ct = make_volume(noise(1))
    ct.SetIJKToRASDirections(-1, 0, 0, 0, 0.6, 0.8, 0, -0.8, 0.6)
    mine = logic.segment(ct, model=str(tiny_model), device="cpu", wait=True)
    painted = np.zeros((6, 24, 32), bool)
    painted[3, 4:9, 6:20] = True
    segmentation = mine.GetSegmentation()
    cord = segmentation.GetSegmentIdBySegmentName("Cord") or segmentation.AddEmptySegment("Cord", "Cord")
    edit(mine, cord, ct, painted)
    writeMarks(mine, Marks(right=frozenset({1})))
    expected = {
        name: voxels(mine, name, ct) for name in ("Cord", "Larynx") if segmentation.GetSegmentIdBySegmentName(name)
    }

    case = logic.queue(mine, str(project.path), annotatorID="Ärztin 1", wait=True)

    record = Project.open(project.path).case(case["case_id"])
    assert (record.state, record.labels[0].provenance.annotator_id) == ("queued", "Ärztin 1")
    assert record.labels[0].reviewed_slices == (1, 3)
    assert record.labels[0].provenance.model_id == "tiny"
    assert record.labels[0].provenance.started is not None
    image, label = project.load_image(case["case_id"]), project.load_label(case["case_id"])
    np.testing.assert_array_equal(image.array, slicer.util.arrayFromVolume(ct))
    np.testing.assert_allclose(image.affine_ijk_to_ras, readScan(ct).affineIjkToRas, atol=1e-4)
    np.testing.assert_allclose(label.affine_ijk_to_ras, image.affine_ijk_to_ras, atol=1e-4)
    for name, mask in expected.items():
        np.testing.assert_array_equal(label.array == {"Cord": 2, "Larynx": 5}[name], mask, err_msg=name)
    assert caseOf(ct, str(project.path)) == caseOf(mine, str(project.path)) == case["case_id"]

    slicer.mrmlScene.Clear(0)
    opened = logic.openCase(str(project.path), case["case_id"], wait=True)

    again = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")[0]
    assert referenceVolume(again) is opened
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(opened), image.array)
    np.testing.assert_allclose(readScan(opened).affineIjkToRas, image.affine_ijk_to_ras, atol=1e-4)
    for name, mask in expected.items():
        np.testing.assert_array_equal(voxels(again, name, opened), mask, err_msg=name)
    assert reviewedSlices(again) == [1, 3]
