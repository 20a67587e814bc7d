"""The whole way with the real worker process and a real, very small network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer

from VQSegUI.Engine import Engine
from VQSegUI.Logic import VQSegLogic
from VQSegUI.Problem import Problem


@pytest.fixture
def ct(make_volume: Any) -> Any:
    return make_volume(np.random.default_rng(3).integers(-1000, 1000, (6, 24, 32)).astype(np.int16))


def segment_by_library(volume: Any, model: Path) -> np.ndarray:
    """Segment the same voxels through the Python library."""
    from VQSegLib.inference.predictor import Predictor
    from VQSegLib.models.checkpoint import load_checkpoint
    from VQSegLib.volume import Volume
    from VQSegUI.SceneBridge import readScan

    scan = readScan(volume)
    predictor = Predictor(load_checkpoint(model), device="cpu")
    return predictor.predict(Volume(scan.array.copy(), np.array(scan.affineIjkToRas))).label_map.array


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (1, -1, -1)], ids=["as it is", "mirrored", "upside down"])
def test_slicer_and_library_give_the_same_voxels(
    real_engine: Engine, ct: Any, tiny_model: Path, voxels: Any, flip: tuple[int, int, int]
) -> None:
    ct.SetIJKToRASDirections(flip[0], 0, 0, 0, flip[1], 0, 0, 0, flip[2])

    proposal = VQSegLogic(engine=real_engine).segment(ct, model=str(tiny_model), device="cpu", wait=True)

    expected = segment_by_library(ct, tiny_model)
    assert np.unique(expected).size > 1
    for name, value in (("Cord", 2), ("Larynx", 5)):
        if (expected == value).any():
            np.testing.assert_array_equal(voxels(proposal, name, ct), expected == value)


def test_a_rotated_scan_is_segmented_where_it_is_shown(
    real_engine: Engine, ct: Any, tiny_model: Path, voxels: Any
) -> None:
    """The network sees the patient upright although the voxels alone would not say so."""
    import vtk

    turned = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Turned")
    matrix = vtk.vtkMatrix4x4()
    for row, values in enumerate([(0, -1, 0, 5), (1, 0, 0, 7), (0, 0, -1, 9)]):
        for column, value in enumerate(values):
            matrix.SetElement(row, column, value)
    turned.SetMatrixTransformToParent(matrix)
    ct.SetAndObserveTransformNodeID(turned.GetID())

    proposal = VQSegLogic(engine=real_engine).segment(ct, model=str(tiny_model), device="cpu", wait=True)

    assert proposal.GetTransformNodeID() == turned.GetID()
    expected = segment_by_library(ct, tiny_model)
    name, value = ("Cord", 2) if (expected == 2).any() else ("Larynx", 5)
    np.testing.assert_array_equal(voxels(proposal, name, ct), expected == value)


def test_waiting_raises_the_sentence_of_the_engine(real_engine: Engine, ct: Any) -> None:
    with pytest.raises(Problem, match="There is no model 'none'"):
        VQSegLogic(engine=real_engine).segment(ct, model="none", wait=True)
