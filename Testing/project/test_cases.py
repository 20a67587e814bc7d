"""The record of a case and what makes two scans the same."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from VQSegLib.project.cases import CaseRecord, Geometry, hash_voxels, label_name, make_id
from VQSegLib.volume import Volume


def test_ids_are_random() -> None:
    assert len({make_id("case") for _ in range(100)}) == 100


def test_label_names_sort_by_revision() -> None:
    assert sorted(map(label_name, (10, 2, 1))) == ["label.r0001.nii.gz", "label.r0002.nii.gz", "label.r0010.nii.gz"]


def test_same_voxels_have_the_same_hash_in_every_storage_type_and_layout() -> None:
    array = np.random.default_rng(0).integers(-1000, 3000, (3, 4, 5)).astype(np.int16)
    assert hash_voxels(array) == hash_voxels(array.astype(np.float64)) == hash_voxels(np.asfortranarray(array))
    changed = array.copy()
    changed[1, 2, 3] += 1
    assert hash_voxels(changed) != hash_voxels(array)
    assert hash_voxels(array.reshape(3, 5, 4)) != hash_voxels(array)


def test_geometry_survives_json_exactly() -> None:
    affine = np.array([[-0.1, 0, 0, 1 / 3], [0, -0.3, 0, 1e-7], [0, 0, 2.5, -1e3], [0, 0, 0, 1]])
    geometry = Geometry.of(Volume(np.zeros((2, 3, 4), np.int16), affine))
    assert Geometry.model_validate_json(geometry.model_dump_json()) == geometry
    np.testing.assert_array_equal(geometry.affine_ijk_to_ras, affine)
    assert geometry.spacing_mm_kji == pytest.approx((2.5, 0.3, 0.1))


def test_record_refuses_unknown_fields_and_foreign_ids() -> None:
    with pytest.raises(ValidationError, match="case_id"):
        CaseRecord.model_validate({"case_id": "Miller", "patient_name": "Miller"})
