"""Scans from another program's memory are judged and stored as those from files."""

from __future__ import annotations

import numpy as np
import pytest

from VQSegLib.errors import VolumeError
from VQSegLib.scan_checks import check_scan, narrow_voxels
from VQSegLib.volume import Volume


@pytest.mark.parametrize(
    ("array", "stored"),
    [
        (np.array([1.0, -1000.0]), np.int16),
        (np.array([1.5, -1000.0]), np.float32),
        (np.array([1, 40_000], np.int32), np.int32),
        (np.array([1, 300], np.uint16), np.int16),
        (np.array([1, 200], np.uint8), np.uint8),
    ],
)
def test_voxels_are_stored_in_fewer_bytes_where_that_loses_nothing(array: np.ndarray, stored: type) -> None:
    narrow = narrow_voxels(array, "It")
    assert narrow.dtype == stored
    np.testing.assert_allclose(narrow, array)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    with pytest.raises(VolumeError, match="It has 1 voxels that are not finite"):
        narrow_voxels(np.array([bad, 0.5]), "It")


def test_too_few_slices_are_refused() -> None:
    with pytest.raises(VolumeError, match="It is 9x8x2 voxels large"):
        check_scan(Volume(np.zeros((2, 8, 9), np.int16), np.eye(4)), "It")


def test_sheared_axes_are_refused_and_oblique_ones_are_not() -> None:
    sheared = np.eye(4)
    sheared[0, 1] = 0.1
    with pytest.raises(VolumeError, match="perpendicular"):
        check_scan(Volume(np.zeros((3, 3, 3), np.int16), sheared), "It")
    oblique = np.eye(4)
    oblique[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    assert check_scan(Volume(np.zeros((3, 3, 3), np.int16), oblique * [[2], [2], [2], [1]]), "It").array.size == 27
