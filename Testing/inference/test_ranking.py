"""Which slices and regions a person is sent to first."""

import numpy as np
import pytest

from VQSegLib.inference.ranking import rank_regions, rank_slices
from VQSegLib.volume import Volume

SPACING_IJK = (0.5, 2.0, 3.0)


def entropy_map(shape=(6, 8, 10)) -> Volume:
    return Volume(np.zeros(shape, np.float16), np.diag([*SPACING_IJK, 1.0]))


def test_slices_come_by_unsure_area_and_sure_ones_not_at_all():
    entropy = entropy_map()
    entropy.array[1, 2, 2:5] = 0.5  # 3 voxels of 1 mm^2
    entropy.array[4, 2, 2] = 1.0
    entropy.array[5, 3, 3] = 0.25
    ranked = rank_slices(entropy)
    assert [(found.index, found.score) for found in ranked] == [(1, 1.5), (4, 1.0), (5, 0.25)]


def test_equally_unsure_slices_come_in_order():
    entropy = entropy_map()
    entropy.array[:, 1, 1] = 0.5
    assert [found.index for found in rank_slices(entropy)] == [0, 1, 2, 3, 4, 5]


def test_a_large_slice_does_not_overflow_half_precision():
    entropy = entropy_map((1, 512, 512))
    entropy.array[...] = 0.5
    assert rank_slices(entropy)[0].score == pytest.approx(512 * 512 * 0.5)


def test_a_region_says_which_structure_where_and_how_large():
    entropy, structure = entropy_map(), np.full((6, 8, 10), 7, np.uint8)
    entropy.array[2:4, 3:6, 4:7] = 0.75
    (region,) = rank_regions(entropy, structure)
    assert region.value == 7
    assert region.volume_mm3 == pytest.approx(18 * 3.0)
    assert region.score == pytest.approx(18 * 3.0 * 0.75)
    assert region.extent_ijk == (4, 6, 3, 5, 2, 3)
    assert region.center_ijk in {(5, 4, 2), (5, 4, 3)}


def test_voxels_that_touch_at_a_corner_are_one_region():
    entropy, structure = entropy_map(), np.ones((6, 8, 10), np.uint8)
    entropy.array[1, 1, 1] = entropy.array[2, 2, 2] = 0.6
    entropy.array[4, 4, 4] = 0.6
    assert sorted(region.volume_mm3 for region in rank_regions(entropy, structure)) == pytest.approx([3.0, 6.0])


def test_two_structures_side_by_side_are_two_regions_and_the_larger_comes_first():
    entropy, structure = entropy_map(), np.ones((6, 8, 10), np.uint8)
    entropy.array[2, 3, 2:8] = 0.6
    structure[:, :, 4:] = 9
    assert [(region.value, region.volume_mm3) for region in rank_regions(entropy, structure)] == [(9, 12.0), (1, 6.0)]


def test_the_center_of_a_ring_lies_on_the_ring():
    entropy, structure = entropy_map((1, 20, 20)), np.ones((1, 20, 20), np.uint8)
    j, i = np.indices((20, 20))
    radius = np.hypot(j - 10, i - 10)
    entropy.array[0] = np.where((radius > 5) & (radius < 8), 0.6, 0)
    (region,) = rank_regions(entropy, structure)
    i, j, k = region.center_ijk
    assert entropy.array[k, j, i] > 0.5


def test_barely_unsure_voxels_make_no_region():
    entropy, structure = entropy_map(), np.ones((6, 8, 10), np.uint8)
    entropy.array[...] = 0.4
    assert rank_regions(entropy, structure) == ()


def test_no_more_than_fifty_regions_are_listed():
    entropy, structure = entropy_map((1, 40, 40)), np.ones((1, 40, 40), np.uint8)
    entropy.array[0, ::2, ::2] = 0.6
    entropy.array[0, 8, 8] = 1.0
    regions = rank_regions(entropy, structure)
    assert len(regions) == 50
    assert regions[0].center_ijk == (8, 8, 0)
