"""The reader of the left-atrium scans."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from VQSegLib.comparison.left_atrium import open_left_atrium
from VQSegLib.comparison.opening import open_data
from VQSegLib.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three scans in a folder with spaces, as the repository has them."""
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    for index, name in enumerate(("AAA", "BBB", "CCC")):
        case = tmp_path / "2018LA_Seg_Training Set" / name
        case.mkdir(parents=True)
        image = rng.normal(size=(20, 18, 8)).astype(np.float32)
        image[3, 4, 5] = 7.5
        label = np.zeros(image.shape, np.uint8)
        label[3, 4, 5 : 6 + index] = 1
        with h5py.File(case / "mri_norm2.h5", "w") as file:
            file["image"], file["label"] = image, label
    (tmp_path / "train.list").write_text("CCC\r\nAAA\r\n", encoding="utf-8")
    (tmp_path / "test.list").write_text("BBB\n", encoding="utf-8")
    return tmp_path


def test_the_lists_give_split_and_order_and_slices_come_first(folder: Path) -> None:
    data = open_data(folder)
    assert (len(data.train), len(data.validation), len(data.test)) == (2, 0, 1)
    counts = [int(data.source.load_label(record.case_id).array.sum()) for record in (*data.train, *data.test)]
    assert counts == [3, 1, 2]
    image = data.source.load_image(data.train[0].case_id)
    assert image.shape_kji == (8, 18, 20)
    assert float(image.array[5, 4, 3]) == 7.5
    assert image.spacing_mm_kji == pytest.approx((0.625,) * 3)
    assert data.stride == (4, 18, 18)
    assert data.unit == "voxel"


def test_the_network_sees_the_scores_as_they_are(folder: Path) -> None:
    from VQSegLib.inference.preprocessing import normalize
    from VQSegLib.models.config import PreprocessingConfig

    data = open_left_atrium(folder)
    low, high = data.window
    scaling = PreprocessingConfig(window_low=low, window_high=high, **data.defaults["preprocessing"])
    scores = np.array([-2.0, 0.0, 7.5])
    assert np.allclose(normalize(scores, scaling)[0], scores, atol=1e-4)


def test_a_listed_case_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "test.list").write_text("BBB\nDDD\n", encoding="utf-8")
    with pytest.raises(UserError, match="first 'DDD'"):
        open_left_atrium(folder)


def test_a_damaged_case_is_named(folder: Path) -> None:
    next(folder.rglob("AAA/mri_norm2.h5")).write_bytes(b"no HDF5")
    with pytest.raises(UserError, match="AAA"):
        open_left_atrium(folder)


def test_without_the_package_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "AAA").mkdir()
    (tmp_path / "AAA" / "mri_norm2.h5").touch()
    for name in ("train.list", "test.list"):
        (tmp_path / name).write_text("AAA", encoding="utf-8")
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="pip install h5py"):
        open_left_atrium(tmp_path)
