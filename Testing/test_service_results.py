"""What the service answers is complete and can be read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from VQSegLib.labels import LabelTable
from VQSegLib.models.store import list_models
from VQSegLib.service_results import ModelSummary, SegmentationResult, measure_labels, summarize_model
from VQSegLib.volume import Volume


def test_labels_are_measured_in_millilitres(tiny_labels: LabelTable) -> None:
    array = np.zeros((4, 5, 6), np.uint8)
    array[1:3, :, 0] = 5
    cord, larynx = measure_labels(Volume(array, np.diag([2.0, 2.0, 2.5, 1.0])), tiny_labels)
    assert (cord.voxels, cord.volume_ml) == (0, 0.0)
    assert (larynx.voxels, larynx.volume_ml) == (10, pytest.approx(0.1))


def test_usable_and_damaged_models_are_summarized(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_text("no model")
    good, bad = (summarize_model(list_models(folder)[0]) for folder in (tiny_model.parent, tmp_path))
    assert (good.name, good.spatial_dims, good.labels, good.problem) == ("tiny", 2, ("Cord", "Larynx"), None)
    assert bad.name is None
    assert bad.problem
    assert ModelSummary.model_validate_json(good.model_dump_json()) == good


def test_answer_is_read_back_from_its_json(tiny_labels: LabelTable) -> None:
    labels = measure_labels(Volume(np.zeros((3, 3, 3), np.uint8), np.eye(4)), tiny_labels)
    answer = SegmentationResult(
        output="out.nii.gz",
        model="m",
        model_sha256="0" * 64,
        device="cpu",
        precision="float32",
        seconds=1.5,
        notes=("The CPU was used.",),
        labels=labels,
    )
    assert SegmentationResult.model_validate_json(answer.model_dump_json()) == answer
