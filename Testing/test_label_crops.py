"""Label maps as one mask per label, there and back."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from VQSegLib.box import Box
from VQSegLib.errors import VolumeError
from VQSegLib.label_crops import crop_labels, paste_masks
from VQSegLib.labels import Label, LabelTable

TABLE = LabelTable(labels=tuple(Label(value=value, name=f"label {value}", color=(0, 0, 0)) for value in (7, 2, 255)))


@settings(max_examples=50, deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 3), st.integers(0, 99))
def test_crops_pasted_give_the_label_map(shape: tuple[int, int, int], seed: int) -> None:
    label_map = np.random.default_rng(seed).choice(np.array([0, 2, 7], np.uint8), shape)
    crops = crop_labels(label_map, TABLE)
    assert [crop.label for crop in crops] == list(TABLE.labels)
    found = [(crop.label.value, crop.box, crop.mask) for crop in crops if crop.box is not None]
    np.testing.assert_array_equal(paste_masks(found, shape), label_map)
    assert [crop.voxels for crop in crops] == [np.sum(label_map == label.value) for label in TABLE.labels]


def test_a_crop_is_as_small_as_possible() -> None:
    label_map = np.zeros((4, 5, 6), np.uint8)
    label_map[1, 2, 3:5] = 7
    crop = crop_labels(label_map, TABLE)[0]
    assert crop.box == Box((1, 2, 3), (2, 3, 5))
    assert crop.mask is not None
    assert crop.mask.dtype == np.uint8
    np.testing.assert_array_equal(crop.mask, [[[1, 1]]])


def test_the_later_mask_counts_where_two_overlap() -> None:
    whole = Box((0, 0, 0), (1, 1, 2))
    masks = [(3, whole, np.ones((1, 1, 2))), (4, whole, np.array([[[0, 9]]]))]
    np.testing.assert_array_equal(paste_masks(masks, (1, 1, 2)), [[[3, 4]]])


@pytest.mark.parametrize(("stop", "shape"), [((1, 1, 2), (1, 1, 1)), ((1, 1, 3), (1, 1, 3))])
def test_a_mask_must_fit(stop: tuple[int, int, int], shape: tuple[int, int, int]) -> None:
    with pytest.raises(VolumeError, match="must fit both"):
        paste_masks([(3, Box((0, 0, 0), stop), np.ones(shape))], (1, 1, 2))
