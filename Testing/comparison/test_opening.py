"""Which data set lies at a path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from VQSegLib.comparison.data import LabelBudget
from VQSegLib.comparison.opening import open_data
from VQSegLib.errors import UserError
from VQSegLib.labels import LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.volume import Volume


def add(project: Project, seed: int, split: str, *, labeled: bool) -> None:
    rng = np.random.default_rng(seed)
    image = Volume(rng.integers(-100, 100, (4, 8, 8)).astype(np.int16), np.diag([-1.0, -1, 2, 1]))
    label = np.zeros((4, 8, 8), np.uint8)
    label[1:3, 2:5, 2:5] = 2
    project.add_case(image, image.with_array(label) if labeled else None, split=split)


def test_a_project_keeps_its_own_split(tmp_path: Path, tiny_labels: LabelTable) -> None:
    project = Project.create(tmp_path / "my project", tiny_labels, intensity_window=(-160, 240))
    for seed, (split, labeled) in enumerate(
        [("train", True), ("train", True), ("train", False), ("validation", True), ("test", True)]
    ):
        add(project, seed, split, labeled=labeled)
    data = open_data(project.path)
    assert [len(part) for part in (data.train, data.unlabeled, data.validation, data.test)] == [2, 1, 1, 1]
    assert (data.name, data.unit, data.window) == ("my project", "mm", (-160, 240))
    hashes = [record.image.voxel_sha256 for record in data.train]
    assert hashes == sorted(hashes)


def test_labels_of_some_slices_are_neither_scored_nor_shown(tmp_path: Path, tiny_labels: LabelTable) -> None:
    project = Project.create(tmp_path / "project", tiny_labels)
    for seed, split in enumerate(("train", "train", "test", "test")):
        add(project, seed, split, labeled=True)
    for split in ("train", "test"):
        record = project.cases(split=split)[0]
        label = project.load_label(record.case_id)
        project.revise_case(record.case_id, label, Review(reviewed_slices=(1, 2)))
    data = open_data(project.path)
    assert [len(part) for part in (data.train, data.unlabeled, data.test)] == [1, 1, 1]
    seen = LabelBudget(data, 1).cases()
    assert sorted(record.is_labeled for record in seen) == [False, True]


@pytest.mark.parametrize("lacking", ["train", "test"])
def test_a_project_needs_labeled_cases_to_train_and_to_test(
    lacking: str, tmp_path: Path, tiny_labels: LabelTable
) -> None:
    project = Project.create(tmp_path / "project", tiny_labels)
    add(project, 0, "test" if lacking == "train" else "train", labeled=True)
    with pytest.raises(UserError, match=f"no labeled {lacking} case"):
        open_data(project.path)


def test_the_archive_or_its_folder_will_do(lidc: Path) -> None:
    assert open_data(lidc).digest == open_data(lidc.parent).digest


def test_anything_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data set that can be benchmarked"):
        open_data(tmp_path)
