"""Only the largest part of each label stays."""

from __future__ import annotations

import numpy as np

from VQSegLib.largest_component import keep_largest_components


def test_each_label_keeps_its_largest_part() -> None:
    label_map = np.zeros((5, 6), np.uint8)
    label_map[0, 0], label_map[2:4, 2:4], label_map[4, 5] = 7, 7, 2
    kept = keep_largest_components(label_map)
    label_map[0, 0] = 0
    assert np.array_equal(kept, label_map)
    assert kept.dtype == np.uint8


def test_parts_that_touch_by_a_corner_are_apart_and_nothing_stays_nothing() -> None:
    label_map = np.zeros((1, 3, 4), np.uint8)
    label_map[0, 0, 0], label_map[0, 1, 1:3] = 1, 1
    assert int(keep_largest_components(label_map).sum()) == 2
    assert not keep_largest_components(np.zeros((2, 2, 2), np.uint8)).any()
