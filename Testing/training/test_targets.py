"""What nobody reviewed is never taught."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from VQSegLib.labels import LabelTable
from VQSegLib.methods.base import IGNORED
from VQSegLib.models.checkpoint import load_checkpoint
from VQSegLib.models.config import PreprocessingConfig
from VQSegLib.project.document import add_label
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.training import trainer as trainer_module
from VQSegLib.training.case_cache import ANYWHERE, cache_cases
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.targets import build_target
from VQSegLib.training.trainer import Trainer
from VQSegLib.volume import Volume

REVIEWED = (2, 3, 7)
FINER = PreprocessingConfig(spacing_mm_kji=(0.8, 1.5, 1.5))


def spoil(label: Volume) -> Volume:
    """Return a label map that is nonsense wherever nobody reviewed it."""
    wrong = np.where(label.array == 0, 9, 0).astype(np.uint8)
    for k in REVIEWED:
        wrong[k] = label.array[k]
    return label.with_array(wrong)


def cached_target(project: Project, preprocessing: PreprocessingConfig, folder: Path) -> np.ndarray:
    (case,) = cache_cases(project, project.cases(), project.labels, preprocessing, folder)
    return np.array(case.target())


def test_only_reviewed_slices_have_classes(sided_labels: LabelTable, make_scan: Callable) -> None:
    _, label = make_scan(0)
    target = build_target(label, sided_labels, REVIEWED).array
    for k in range(len(target)):
        if k in REVIEWED:
            assert set(np.unique(target[k])) <= {0, 1, 2, 3}
            np.testing.assert_array_equal(target[k] == 2, label.array[k] == 9)
        else:
            assert (target[k] == IGNORED).all()
    assert not (build_target(label, sided_labels).array == IGNORED).any()


def test_background_says_nothing_about_a_label_added_later(sided_labels: LabelTable, make_scan: Callable) -> None:
    _, label = make_scan(0)
    target = build_target(label, sided_labels, None, (2,)).array
    assert ((target == IGNORED) == (label.array == 0)).all()


@pytest.mark.parametrize("preprocessing", [PreprocessingConfig(), FINER], ids=["own grid", "finer grid"])
@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1)], ids=["axial", "sagittal"])
def test_a_wrong_unreviewed_slice_does_not_reach_the_target(
    tmp_path: Path,
    sided_labels: LabelTable,
    make_scan: Callable,
    preprocessing: PreprocessingConfig,
    axes: tuple[int, int, int],
) -> None:
    """Also where the slices of the stored scan are not those of the model's grid."""
    image, label = make_scan(0)
    affine = image.affine_ijk_to_ras[:, [*(2 - np.array(axes))[::-1], 3]]
    image, label = (Volume(np.ascontiguousarray(v.array.transpose(axes)), affine) for v in (image, label))
    targets = []
    for name, given in (("right", label), ("wrong", spoil(label))):
        project = Project.create(tmp_path / name, sided_labels)
        project.add_case(image, given, split="train", review=Review(reviewed_slices=REVIEWED))
        targets.append(cached_target(project, preprocessing, tmp_path / f"{name} cache"))
    np.testing.assert_array_equal(*targets)
    judged = (targets[0] != IGNORED).mean()
    assert 0.5 * len(REVIEWED) < judged * label.shape_kji[0] < 1.5 * len(REVIEWED)


def test_patch_centres_of_a_case_reviewed_in_part_are_judged_voxels(
    fresh_project: Project, make_scan: Callable, tmp_path: Path
) -> None:
    record = fresh_project.add_case(*make_scan(0), split="train", review=Review(reviewed_slices=REVIEWED))
    (case,) = cache_cases(fresh_project, [record], fresh_project.labels, PreprocessingConfig(), tmp_path)
    rows = case.centers()
    anywhere = rows[rows[:, 0] == ANYWHERE]
    assert len(anywhere) > 100
    assert set(rows[:, 1]) == set(REVIEWED)
    assert (case.target()[tuple(anywhere[:, 1:].T)] == 0).any()


def test_a_label_added_to_the_table_is_not_taught_to_be_background(
    fresh_project: Project, make_scan: Callable, tmp_path: Path
) -> None:
    old = fresh_project.add_case(*make_scan(0), split="train")
    fresh_project.change_document(lambda it: add_label(it, "Larynx"))
    new = fresh_project.add_case(*make_scan(1), split="train")
    cases = cache_cases(fresh_project, [old, new], fresh_project.labels, PreprocessingConfig(), tmp_path)
    has_background = [bool((case.target() == 0).any()) for case in cases]
    assert has_background == [False, True]


@pytest.mark.parametrize("method", ["supervised", "vqseg"])
def test_a_wrong_unreviewed_slice_changes_no_weight(
    tmp_path: Path,
    sided_labels: LabelTable,
    make_scan: Callable,
    make_config: Callable[..., TrainingConfig],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    monkeypatch.setattr(trainer_module, "save_curves", lambda folder: folder)
    weights = []
    for name in ("right", "wrong", "other review"):
        project = Project.create(tmp_path / name, sided_labels)
        image, label = make_scan(0)
        slices = (2, 3, 8) if name == "other review" else REVIEWED
        review = Review(reviewed_slices=slices)
        project.add_case(image, label if name == "right" else spoil(label), split="train", review=review)
        model = Trainer(project, make_config(method, max_steps=3), tmp_path / f"{name} run").run().model_path
        weights.append(torch.cat([part.flatten() for part in load_checkpoint(model).network.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
