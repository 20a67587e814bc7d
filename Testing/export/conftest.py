"""A project with cases on both sides, one reviewed in part and one excluded."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from VQSegLib.labels import Code, Label, LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.project.review import Review
from VQSegLib.volume import Volume

OBLIQUE = np.array([[-1.2, 0.3, 0, 10.0], [0.4, 0.9, 0, -20.0], [0, 0, 3.0, 5.0], [0, 0, 0, 1.0]])
TABLE = LabelTable(
    labels=(
        Label(
            value=5,
            name="Left parotid",
            color=(200, 100, 50),
            category=Code(scheme="SCT", value="123037004", meaning="Anatomical Structure"),
            type=Code(scheme="SCT", value="45289007", meaning="Parotid gland"),
            modifier=Code(scheme="SCT", value="7771000", meaning="Left"),
        ),
        Label(value=2, name="Cord", color=(0, 0, 255)),
    )
)


def perpendicular(affine: np.ndarray) -> np.ndarray:
    """Return the closest affine matrix with perpendicular axes."""
    fixed = affine.copy()
    fixed[:3, :3] = np.linalg.qr(affine[:3, :3])[0] @ np.diag([1.2, 1.0, 3.0])
    return fixed


@pytest.fixture
def filled(tmp_path: Path) -> SimpleNamespace:
    """The project and its cases by what they are."""
    project = Project.create(tmp_path / "Projekt ä", TABLE)
    rng, affine = np.random.default_rng(0), perpendicular(OBLIQUE)
    cases = {}
    for name, options in {
        "train": {"split": "train", "review": Review(annotator_id="Ärztin, 1")},
        "test": {"split": "test"},
        "partial": {"split": "train", "review": Review(reviewed_slices=(1, 3))},
        "excluded": {"split": "train"},
        "unlabeled": {"split": "train"},
    }.items():
        array = np.zeros((5, 6, 7), np.uint8)
        array[1, 2, 3:6], array[3, 1, 1:3] = 5, 2
        image = Volume(rng.integers(-1000, 1000, array.shape, dtype=np.int16), affine)
        label = None if name == "unlabeled" else image.with_array(array)
        cases[name] = project.add_case(image, label, **options).case_id
    project.exclude_case(cases["excluded"])
    return SimpleNamespace(project=project, label=array, **cases)
