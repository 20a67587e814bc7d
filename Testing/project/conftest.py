"""A small project and small scans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.labels import Label, LabelTable
from VQSegLib.project.folder import Project
from VQSegLib.volume import Volume

AFFINE = np.array([[-1.5, 0, 0, 40.0], [0, -1.5, 0, 30.0], [0, 0, 3.0, -100.0], [0, 0, 0, 1.0]])


@pytest.fixture(scope="session")
def table() -> LabelTable:
    """Two structures whose values are not 1 and 2."""
    return LabelTable(
        labels=(Label(value=1, name="Cord", color=(1, 2, 3)), Label(value=5, name="Larynx", color=(4, 5, 6)))
    )


@pytest.fixture
def project(tmp_path: Path, table: LabelTable) -> Project:
    """A new, empty project in a folder with a space and an umlaut."""
    return Project.create(tmp_path / "Projekt Köpfe", table, intensity_window=(-200, 300))


@pytest.fixture(scope="session")
def draw_image() -> Callable[[int], Volume]:
    """Return a small CT-like volume with slices, rows and columns of different number."""

    def draw(seed: int) -> Volume:
        return Volume(np.random.default_rng(seed).integers(-1000, 1000, (4, 6, 8), dtype=np.int16), AFFINE)

    return draw


@pytest.fixture(scope="session")
def draw_label() -> Callable[..., Volume]:
    """Return a label map whose first voxels, in slice 0, have the given values."""

    def draw(*values: int) -> Volume:
        array = np.zeros((4, 6, 8), np.uint8)
        array.flat[: len(values)] = values
        return Volume(array, AFFINE)

    return draw
