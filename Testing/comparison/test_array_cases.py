"""Arrays that look like a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from VQSegLib.comparison.array_cases import ArrayCases
from VQSegLib.labels import LabelTable
from VQSegLib.orientation import to_canonical
from VQSegLib.project.cases import Split


def test_cases_are_found_by_ids_that_do_not_name_them(tiny_labels: LabelTable) -> None:
    arrays = {key: np.full((2, 3, 4), number, np.float32) for number, key in enumerate(("Smith", "Jones"))}
    cases = ArrayCases(
        Path("data"),
        tiny_labels,
        lambda key: (arrays[key], arrays[key].astype(np.uint8)),
        {"Smith": Split.TRAIN, "Jones": Split.TEST},
        0.5,
    )
    first, second = cases.cases()
    assert (first.split, second.split) == (Split.TRAIN, Split.TEST)
    assert "smith" not in first.model_dump_json().casefold()
    image = cases.load_image(second.case_id)
    assert float(image.array[0, 0, 0]) == 1
    assert image.spacing_mm_kji == (0.5, 0.5, 0.5)
    assert np.shares_memory(to_canonical(image).array, arrays["Jones"]), "nothing is turned"
    assert cases.load_label(second.case_id).array.dtype == np.uint8
    assert first.image.voxel_sha256 != second.image.voxel_sha256
