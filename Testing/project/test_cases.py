"""The record of a case and what makes two scans the same."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from VQSegLib.project.cases import CaseRecord, Geometry, label_name, make_id
from VQSegLib.volume import Volume


def test_ids_are_random() -> None:
    assert len({make_id("case") for _ in range(100)}) == 100


def test_label_names_sort_by_revision() -> None:
    assert sorted(map(label_name, (10, 2, 1))) == ["label.r0001.nii.gz", "label.r0002.nii.gz", "label.r0010.nii.gz"]


def test_geometry_survives_json_exactly() -> None:
    affine = np.array([[-0.1, 0, 0, 1 / 3], [0, -0.3, 0, 1e-7], [0, 0, 2.5, -1e3], [0, 0, 0, 1]])
    geometry = Geometry.of(Volume(np.zeros((2, 3, 4), np.int16), affine))
    assert Geometry.model_validate_json(geometry.model_dump_json()) == geometry
    np.testing.assert_array_equal(geometry.affine_ijk_to_ras, affine)
    assert geometry.spacing_mm_kji == pytest.approx((2.5, 0.3, 0.1))


def test_record_refuses_unknown_fields_and_foreign_ids() -> None:
    with pytest.raises(ValidationError, match="case_id"):
        CaseRecord.model_validate({"case_id": "Miller", "patient_name": "Miller"})
