"""Extents and arrays between numpy and the messages."""

from __future__ import annotations

import pytest

from VQSegLib.box import Box
from VQSegLib.errors import UserError
from VQSegLib.wire import WireArray
from VQSegLib.worker.arrays import BoxParams, from_extent_ijk, to_extent_ijk, to_numpy


def test_extents_are_inclusive_and_in_the_order_of_vtk() -> None:
    box = Box((1, 2, 3), (10, 20, 30))
    assert to_extent_ijk(box) == [3, 29, 2, 19, 1, 9]
    assert from_extent_ijk((3, 29, 2, 19, 1, 9)) == box


def test_an_empty_extent_or_box_is_refused() -> None:
    with pytest.raises(UserError, match="holds no voxel"):
        from_extent_ijk((0, -1, 0, -1, 0, -1))
    with pytest.raises(UserError, match="holds no voxel"):
        BoxParams(start_kji=(1, 1, 1), stop_kji=(1, 2, 2)).to_box()


def test_a_received_array_is_not_copied() -> None:
    data = bytearray(8)
    array = to_numpy(WireArray(memoryview(data), "<i2", (2, 2)))
    data[0] = 7
    assert array.shape == (2, 2)
    assert array[0, 0] == 7
