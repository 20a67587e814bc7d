"""The reader of lung-nodule slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from VQSegLib.comparison.lidc import open_lidc
from VQSegLib.errors import UserError


def test_patients_are_split_once_and_for_all(lidc: Path) -> None:
    data, again = open_lidc(lidc), open_lidc(lidc)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [14, 2, 4]
    ids = [record.case_id for part in (data.train, data.validation, data.test) for record in part]
    assert len(set(ids)) == 20, "all slices of a patient are one case, so they share a split"
    assert data.digest == again.digest
    assert [record.case_id for record in data.train] == [record.case_id for record in again.train]


def test_a_case_is_all_slices_of_a_patient_and_its_consensus(lidc: Path) -> None:
    data = open_lidc(lidc)
    with np.load(lidc) as archive:
        for record in (*data.train, *data.test):
            image, label = data.source.load_image(record.case_id), data.source.load_label(record.case_id)
            rows = [
                index
                for index, other in enumerate(archive["images"])
                if any(np.array_equal(other, own) for own in image.array)
            ]
            assert len(set(archive["patient"][rows])) == 1
            assert image.shape_kji == (2, 24, 24)
            assert np.array_equal(label.array, archive["votes"][rows] >= 2)


@pytest.mark.parametrize("broken", ["text", "archive"])
def test_another_file_is_refused(broken: str, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    if broken == "text":
        path.write_text("no archive", encoding="utf-8")
    else:
        np.savez(path, images=np.zeros((1, 2, 2)))
    with pytest.raises(UserError, match="cannot be read" if broken == "text" else "has no array 'patient'"):
        open_lidc(path)
