"""The training cache: memory-mapped arrays on the model's grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.project.cases import Split
from VQSegLib.project.folder import Project
from VQSegLib.training.case_cache import cache_cases
from VQSegLib.training.targets import values_to_classes
from VQSegLib.volume import Volume

PREPROCESSING = PreprocessingConfig(body_threshold_hu=-300)


def test_cases_are_memory_mapped_classes_in_order_of_the_label_table(project: Project, tmp_path: Path) -> None:
    records = project.cases(split=Split.TRAIN)
    for record, case in zip(
        records, cache_cases(project, records, project.labels, PreprocessingConfig(), tmp_path), strict=True
    ):
        image = case.image()
        assert isinstance(image, np.memmap)
        assert not image.flags.writeable
        np.testing.assert_array_equal(image, project.load_image(record.case_id).array)
        if not record.is_labeled:
            assert case.target_path is None
            continue
        target, label = case.target(), project.load_label(record.case_id).array
        assert isinstance(target, np.memmap)
        for index, value in enumerate(project.labels.values, start=1):
            np.testing.assert_array_equal(target == index, label == value)


def test_foreground_rows_are_voxels_of_their_class(project: Project, tmp_path: Path) -> None:
    records = [record for record in project.cases() if record.is_labeled]
    for case in cache_cases(project, records, project.labels, PREPROCESSING, tmp_path):
        target, rows = case.target(), case.centers()
        assert set(rows[:, 0]) == {1, 2, 3}
        np.testing.assert_array_equal(target[tuple(rows[:, 1:].T)], rows[:, 0])
        assert len(np.unique(rows, axis=0)) == len(rows)


def test_a_large_structure_is_sampled(fresh_project: Project, make_scan: Callable, tmp_path: Path) -> None:
    image, label = make_scan(0)
    label.array[:] = 9
    record = fresh_project.add_case(image, label, split="train")
    (case,) = cache_cases(fresh_project, [record], fresh_project.labels, PreprocessingConfig(), tmp_path)
    assert len(case.centers()) == 2000


def test_labels_outside_the_body_box_are_kept(fresh_project: Project, tmp_path: Path) -> None:
    array = np.full((30, 40, 40), -1000, dtype=np.int16)
    array[20:, 25:, 25:] = 0
    label = np.zeros(array.shape, dtype=np.uint8)
    label[1, 2, 3] = 4
    affine = np.diag([-4.0, -4.0, 4.0, 1.0])
    record = fresh_project.add_case(Volume(array, affine), Volume(label, affine), split="train")
    (case,) = cache_cases(fresh_project, [record], fresh_project.labels, PREPROCESSING, tmp_path)
    assert case.image().shape == case.target().shape
    assert case.image().shape[0] == 29
    assert int(case.target().sum()) == 1
    assert case.centers().tolist() == [[1, 0, 0, 0]]


def test_the_body_crop_leaves_out_air(fresh_project: Project, tmp_path: Path) -> None:
    array = np.full((30, 40, 40), -1000, dtype=np.int16)
    array[10:14, 15:20, 15:25] = 0
    record = fresh_project.add_case(Volume(array, np.diag([-4.0, -4.0, 4.0, 1.0])), None, split="train")
    (case,) = cache_cases(fresh_project, [record], fresh_project.labels, PREPROCESSING, tmp_path)
    assert case.image().shape < (14, 14, 20)
    assert int((case.image() == 0).sum()) == 4 * 5 * 10


def test_cached_cases_are_not_prepared_again(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = project.cases(split=Split.TRAIN)
    done: list[int] = []
    first = cache_cases(project, records, project.labels, PREPROCESSING, tmp_path, done.append)
    assert done == [1, 2, 3, 4]
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    monkeypatch.setattr(Project, "load_image", lambda *_: pytest.fail("read again"))
    assert cache_cases(project, records, project.labels, PREPROCESSING, tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def test_a_case_half_written_is_prepared_again(project: Project, tmp_path: Path) -> None:
    record = next(record for record in project.cases() if record.is_labeled)
    (case,) = cache_cases(project, [record], project.labels, PREPROCESSING, tmp_path)
    expected = case.image().copy()
    case.image_path.unlink()
    assert case.target_path is not None
    case.target_path.write_bytes(b"half")
    (again,) = cache_cases(project, [record], project.labels, PREPROCESSING, tmp_path)
    np.testing.assert_array_equal(again.image(), expected)
    assert again.target().shape == expected.shape


def test_another_grid_is_another_entry(project: Project, tmp_path: Path) -> None:
    records = project.cases(split=Split.VALIDATION)
    (fine,) = cache_cases(project, records, project.labels, PREPROCESSING, tmp_path)
    coarse_grid = PreprocessingConfig(spacing_mm_kji=(4.0, 4.0, 4.0))
    (coarse,) = cache_cases(project, records, project.labels, coarse_grid, tmp_path)
    assert fine.image_path != coarse.image_path
    assert coarse.image().shape == coarse.target().shape == (7, 10, 11)


def test_values_outside_the_table_become_background(project: Project) -> None:
    classes = values_to_classes(np.array([0, 4, 9, 2, 77], dtype=np.uint8), project.labels)
    assert classes.tolist() == [0, 1, 2, 3, 0]
