"""A tiny synthetic project and configurations that train on it in seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib.labels import Code, Label, LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.training.config import TrainingConfig
from VQSegLib.volume import Volume

AFFINE = np.array([[-2.0, 0, 0, 20.0], [0, -2.0, 0, 20.0], [0, 0, 2.0, -10.0], [0, 0, 0, 1.0]])
"""Canonical axes (LPS): voxel index i grows towards the patient's Left."""


def _side(name: str) -> Code:
    return Code(scheme="SCT", value=name, meaning=name)


PAROTID = Code(scheme="SCT", value="45289007", meaning="Parotid gland")


@pytest.fixture(scope="session")
def sided_labels() -> LabelTable:
    """A pair and a single structure; the values are not the class numbers."""
    return LabelTable(
        labels=(
            Label(value=4, name="Right gland", color=(1, 2, 3), type=PAROTID, modifier=_side("Right")),
            Label(value=9, name="Cord", color=(1, 2, 3)),
            Label(value=2, name="Left gland", color=(1, 2, 3), type=PAROTID, modifier=_side("Left")),
        )
    )


def draw_scan(seed: int) -> tuple[Volume, Volume]:
    """Return a head-like scan of 14 x 20 x 22 voxels and its label map: a bright gland on each side and a cord."""
    rng = np.random.default_rng(seed)
    image = rng.normal(-950, 10, (14, 20, 22))
    label = np.zeros(image.shape, dtype=np.uint8)
    image[1:13, 2:18, 2:20] = rng.normal(0, 30, (12, 16, 18))
    j, k = 5 + rng.integers(4), 4 + rng.integers(3)
    for value, place in (
        (4, np.s_[k : k + 5, j : j + 5, 3:8]),
        (2, np.s_[k : k + 5, j : j + 5, 14:19]),
        (9, np.s_[:, 13:16, 9:12]),
    ):
        label[place] = value
        image[place] = rng.normal({4: 400, 2: 400, 9: 800}[value], 30, image[place].shape)
    return Volume(image.astype(np.int16), AFFINE), Volume(label, AFFINE)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, sided_labels: LabelTable) -> Project:
    """Two labeled, two unlabeled, one validation and one test case; tests must not change it."""
    made = Project.create(tmp_path_factory.mktemp("Projekt") / "Köpfe und Hälse", sided_labels)
    for seed, split in enumerate(("train", "train", "validation", "test")):
        made.add_case(*draw_scan(seed), split=split)
    for seed in (10, 11):
        made.add_case(draw_scan(seed)[0], None, split="train")
    return made


NETWORK = {
    "spatial_dims": 3,
    "num_classes": 4,
    "encoder": {"kind": "conv", "channels": (8, 16), "strides": ((1, 1, 1), (2, 2, 2))},
    "quantizer": {"codebook_size": 16, "code_dim": 4},
}


@pytest.fixture(scope="session")
def make_config() -> Callable[..., TrainingConfig]:
    """Build a small 3-D configuration; sections and fields given win over these."""

    def make(name: str = "supervised", **changes: Any) -> TrainingConfig:
        values: dict[str, Any] = {
            "method": {"name": name},
            "network": NETWORK,
            "preprocessing": {"window_low": -1000, "window_high": 1000, "patch_size": (8, 12, 12)},
            "optimizer": {"learning_rate": 0.003, "warmup_steps": 0},
            "data": {"patch_size": (8, 12, 12), "batch_labeled": 2, "batch_unlabeled": 2, "workers": 0},
            "device": {"accelerator": "cpu", "threads": 1},
            "max_steps": 6,
            "validation_interval": 3,
            "log_interval": 2,
        }
        for section, change in changes.items():
            values[section] = {**values.get(section, {}), **change} if isinstance(change, dict) else change
        return TrainingConfig.model_validate(values)

    return make


@pytest.fixture(scope="session")
def make_scan() -> Callable[[int], tuple[Volume, Volume]]:
    """Return a builder of scans and label maps from a seed."""
    return draw_scan


@pytest.fixture
def fresh_project(tmp_path: Path, sided_labels: LabelTable) -> Project:
    """An empty project that a test may change."""
    return Project.create(tmp_path / "project", sided_labels)
