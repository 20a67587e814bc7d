"""The service answers what the command line and a worker ask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from VQSegLib.errors import Cancelled, ModelFileError
from VQSegLib.image_files import load_volume
from VQSegLib.service import Service


def test_progress_ends_at_one_and_names_stages(tiny_model: Path, scan: Path) -> None:
    told: list[tuple[float, str, float | None]] = []
    output = scan.with_name("out.nii.gz")
    Service().segment(scan, str(tiny_model), output, device="cpu", on_progress=lambda *it: told.append(it))
    fractions = [fraction for fraction, _, _ in told]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert "Segmenting" in {stage for _, stage, _ in told}


def test_cancelled_request_writes_nothing_and_the_next_one_is_answered(tiny_model: Path, scan: Path) -> None:
    service, output = Service(), scan.with_name("out.nii.gz")
    with pytest.raises(Cancelled):
        service.segment(scan, str(tiny_model), output, cancelled=lambda: True)
    assert [file.name for file in scan.parent.iterdir()] == ["scan.nii.gz"]
    service.segment(scan, str(tiny_model), output)
    assert load_volume(output).has_geometry_of(load_volume(scan))


def test_model_is_loaded_once(tiny_model: Path, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import VQSegLib.models.checkpoint as checkpoint

    loads: list[Path] = []
    load = checkpoint.load_checkpoint
    monkeypatch.setattr(checkpoint, "load_checkpoint", lambda path: loads.append(path) or load(path))
    service = Service()
    first, second = (
        service.segment(scan, str(tiny_model), scan.with_name(f"{name}.nii.gz"), device="cpu") for name in "ab"
    )
    assert loads == [tiny_model]
    assert first.labels == second.labels


def test_answer_measures_the_written_label_map(tiny_model: Path, scan: Path) -> None:
    result = Service().segment(scan, str(tiny_model), scan.with_name("out.nii.gz"), device="cpu")
    assert result.device == "cpu"
    sizes = np.unique(load_volume(scan.with_name("out.nii.gz")).array, return_counts=True)
    counts = dict(zip(*(part.tolist() for part in sizes), strict=True))
    assert {label.value: label.voxels for label in result.labels} == {value: counts.get(value, 0) for value in (2, 5)}


def test_missing_models_are_refused_by_every_request() -> None:
    service = Service()
    for ask in (service.show_model, service.verify_model):
        with pytest.raises(ModelFileError, match="There is no model"):
            ask("nothing")
