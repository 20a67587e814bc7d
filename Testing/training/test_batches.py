"""Two-stream batches: shapes, views, and dependence on seed, process and step alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from VQSegLib.methods.base import Batch
from VQSegLib.project.folder import Project
from VQSegLib.training.batches import BatchDataset, BatchSource, build_loader
from VQSegLib.training.case_cache import CachedCase, cache_cases
from VQSegLib.training.config import TrainingConfig
from VQSegLib.training.splits import select_cases

MakeConfig = Callable[..., TrainingConfig]
MakeSource = Callable[..., BatchSource]
STILL = {"rotation_degrees": 0, "scale": 0, "mirror_left_right": False, "labeled_intensity": 0}


@pytest.fixture(scope="module")
def make_source(project: Project, make_config: MakeConfig, tmp_path_factory: pytest.TempPathFactory) -> MakeSource:
    cases = select_cases(project, uses_unlabeled=True)
    folder = tmp_path_factory.mktemp("cache")

    def make(name: str = "vqseg", rank: int = 0, **changes: Any) -> BatchSource:
        config = make_config(name, **changes)
        labeled, unlabeled = (
            cache_cases(project, part, project.labels, config.preprocessing, folder)
            for part in (cases.labeled, cases.unlabeled)
        )
        return BatchSource(labeled, unlabeled, project.labels, config, rank)

    return make


def equal(first: Batch, second: Batch) -> bool:
    return all(a is b is None or torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_shapes_in_three_dimensions(make_source: MakeSource) -> None:
    batch = BatchDataset(make_source(method={"strong_views": 2}))[0]
    assert batch.labeled.shape == (2, 1, 8, 12, 12)
    assert batch.target.shape == (2, 8, 12, 12)
    assert batch.target.dtype == torch.int64
    assert batch.unlabeled_weak.shape == (2, 1, 8, 12, 12)
    assert batch.unlabeled_strong.shape == (2, 2, 1, 8, 12, 12)


def test_shapes_in_two_dimensions_with_neighbours(make_source: MakeSource) -> None:
    flat = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2))}
    source = make_source(
        network={"spatial_dims": 2, "in_channels": 3, "encoder": flat},
        data={"patch_size": (12, 16)},
        preprocessing={"patch_size": (12, 16)},
    )
    batch = BatchDataset(source)[0]
    assert batch.labeled.shape == (2, 3, 12, 16)
    assert batch.target.shape == (2, 12, 16)
    assert batch.unlabeled_strong.shape == (1, 2, 3, 12, 16)


def test_a_method_without_unlabeled_patches_gets_none(make_source: MakeSource) -> None:
    source = make_source("supervised")
    batch = BatchDataset(BatchSource(source.labeled, (), source.labels, source.config))[0]
    assert batch.unlabeled_weak is None
    assert batch.unlabeled_strong is None


def test_pretraining_cuts_no_unlabeled_patches_and_the_same_labeled_ones(make_source: MakeSource) -> None:
    dataset, usual = BatchDataset(make_source(method={"pretraining_steps": 2})), BatchDataset(make_source())
    for step in range(4):
        batch = dataset[step]
        assert (batch.unlabeled_weak is None) == (batch.unlabeled_strong is None) == (step < 2)
        assert torch.equal(batch.labeled, usual[step].labeled)
    assert equal(dataset[3], usual[3])


def test_bright_voxels_of_the_phantom_carry_their_labels(make_source: MakeSource) -> None:
    """Glands and cord are brighter than the rest, wherever the augmentation moved them."""
    dataset = BatchDataset(make_source(augmentation={"labeled_intensity": 0}))
    for step in range(6):
        batch = dataset[step]
        bright = batch.labeled[:, 0] > 0.2
        assert float((bright != (batch.target > 0)).float().mean()) < 0.04
        cord = batch.labeled[:, 0] > 0.62
        assert float((cord & (batch.target != 2)).float().mean()) < 0.03


def test_left_stays_left_in_every_patch(make_source: MakeSource) -> None:
    """Where both glands are seen, the right one (class 1) has the smaller index i: mirrored or not."""
    dataset = BatchDataset(
        make_source(data={"patch_size": (14, 20, 22)}, preprocessing={"patch_size": (14, 20, 22)}, max_steps=20)
    )
    compared = 0
    for step in range(8):
        for target in dataset[step].target:
            if bool((target == 1).any()) and bool((target == 3).any()):
                right, left = ((target == value).nonzero()[:, 2].float().mean() for value in (1, 3))
                assert right < left
                compared += 1
    assert compared >= 8


def test_weak_and_strong_views_share_their_geometry(make_source: MakeSource) -> None:
    still = {"noise": 0.01, "blur_voxels": 0}
    dataset = BatchDataset(make_source(method={"strong_views": 2}, augmentation=still))
    for step in range(3):
        batch = dataset[step]
        for view in batch.unlabeled_strong:
            assert not torch.equal(view, batch.unlabeled_weak)
            for a, b in zip(view.flatten(1), batch.unlabeled_weak.flatten(1), strict=True):
                # ranks survive brightness, contrast and gamma
                correlation = np.corrcoef(a.argsort().argsort(), b.argsort().argsort())[0, 1]
                assert correlation > 0.9


@pytest.mark.parametrize("change", [{"rank": 1}, {"seed": 1}])
def test_another_process_or_seed_sees_other_batches(change: dict[str, Any], make_source: MakeSource) -> None:
    dataset, other = BatchDataset(make_source()), BatchDataset(make_source(**change))
    assert not equal(dataset[0], other[0])
    assert not equal(dataset[0], dataset[1])
    assert equal(dataset[1], BatchDataset(make_source())[1])


@pytest.mark.parametrize("workers", [0, 1])
def test_the_loader_gives_the_batches_of_the_steps_to_come(workers: int, make_source: MakeSource) -> None:
    source = make_source(data={"workers": workers})
    torch.manual_seed(workers)
    dataset, batches = BatchDataset(source), list(build_loader(source, 2))
    assert len(dataset) == 6
    assert len(batches) == 4
    assert all(isinstance(batch, Batch) and equal(batch, dataset[step]) for step, batch in enumerate(batches, start=2))


def test_the_share_of_patches_around_a_label_is_as_asked(make_source: MakeSource) -> None:
    """With probability 1 a small patch always shows a label; with 0 most do not."""
    small = {"patch_size": (2, 4, 4), "batch_labeled": 40}
    shown = []
    for probability in (1.0, 0.0):
        source = make_source(data={**small, "foreground_probability": probability}, augmentation=STILL)
        target = BatchDataset(source)[0].target
        shown.append(float((target > 0).flatten(1).any(1).float().mean()))
    assert shown[0] == 1
    assert shown[1] < 0.7


def test_a_case_without_labels_in_it_still_gives_patches(
    make_config: MakeConfig, project: Project, tmp_path: Path
) -> None:
    np.save(tmp_path / "image.npy", np.zeros((4, 6, 6), dtype=np.int16))
    np.save(tmp_path / "target.npy", np.zeros((4, 6, 6), dtype=np.uint8))
    np.save(tmp_path / "foreground.npy", np.empty((0, 4), dtype=np.int32))
    case = CachedCase(tmp_path / "image.npy", tmp_path / "target.npy", tmp_path / "foreground.npy")
    batch = BatchDataset(BatchSource([case], [], project.labels, make_config()))[0]
    assert batch.labeled.shape == (2, 1, 8, 12, 12)
    assert not bool(batch.target.any())


def test_intensity_changes_of_labeled_patches_leave_the_target(make_source: MakeSource) -> None:
    plain, changed = (
        BatchDataset(make_source("supervised", data={"batch_labeled": 1}, augmentation={"labeled_intensity": share}))[0]
        for share in (0.0, 1.0)
    )
    assert torch.equal(plain.target, changed.target)
    assert plain.labeled.shape == changed.labeled.shape
    assert not torch.equal(plain.labeled, changed.labeled)


def test_a_method_that_asks_for_it_gets_a_strong_view_of_labeled_patches(make_source: MakeSource) -> None:
    source = make_source("abd")
    batch = BatchDataset(BatchSource(source.labeled, source.unlabeled, source.labels, source.config))[0]
    assert batch.labeled_strong is not None
    assert batch.labeled_strong.shape == batch.labeled.shape
    assert not torch.equal(batch.labeled_strong, batch.labeled)
    usual = BatchDataset(make_source())[0]
    assert usual.labeled_strong is None
    assert torch.equal(usual.labeled, batch.labeled)
