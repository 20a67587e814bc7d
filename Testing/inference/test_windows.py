import math
from itertools import pairwise

import pytest
import torch

from VQSegLib.box import Box
from VQSegLib.inference.windows import build_window_grid, compute_stride, compute_window_starts

CPU = torch.device("cpu")


def test_the_left_atrium_protocol_has_54_windows():
    """Mean volume (194, 142, 88), patch 112 x 112 x 80, strides 18, 18, 4: 6 x 3 x 3 windows."""
    whole = Box.whole((194, 142, 88))
    assert len(build_window_grid(whole, (194, 142, 88), (112, 112, 80), (18, 18, 4))) == 54


@pytest.mark.parametrize(("side", "window", "stride"), [(10, 4, 2), (11, 4, 3), (4, 4, 1), (3, 4, 2), (100, 7, 7)])
def test_windows_reach_both_ends_and_leave_no_gap(side, window, stride):
    starts = compute_window_starts(side, window, stride)
    assert starts[0] == 0
    assert starts[-1] == max(0, side - window)
    assert all(0 < later - earlier <= stride for earlier, later in pairwise(starts))
    assert len(starts) == max(1, math.ceil((side - window) / stride) + 1)


def test_windows_come_slices_first():
    grid = build_window_grid(Box.whole((9, 9, 9)), (9, 9, 9), (4, 4, 4), (3, 3, 3))
    assert list(grid) == sorted(grid)
    assert len(list(grid)) == len(grid) == 27


@pytest.mark.parametrize("stride", [1, 3, 5, 8])
def test_blending_weights_add_up_to_one_and_favor_the_middle(stride):
    grid = build_window_grid(Box.whole((30, 8, 1)), (30, 8, 1), (8, 8, 1), (stride, stride, 1))
    weights = grid.compute_weights(CPU)
    total = torch.zeros(30)
    for start in grid.starts_kji[0]:
        total[start : start + 8] += weights[0][start]
    torch.testing.assert_close(total, torch.ones(30))
    torch.testing.assert_close(weights[1][0], torch.ones(8))
    if stride < 8:
        middle = weights[0][grid.starts_kji[0][1]]
        assert middle[4] > middle[0]


def test_a_small_region_takes_real_voxels_before_padding():
    shape = (40, 40, 6)
    grid = build_window_grid(Box((0, 20, 1), (4, 22, 5)), shape, (10, 10, 10), (5, 5, 5))
    assert grid.starts_kji == ((0,), (16,), (-2,))
    at_the_end = build_window_grid(Box((37, 0, 0), (40, 40, 6)), shape, (10, 10, 10), (5, 5, 5))
    assert at_the_end.starts_kji[0] == (30,)


def test_stride_is_at_least_one_voxel():
    assert compute_stride((1, 100, 64), 0.5) == (1, 50, 32)
    assert compute_stride((3, 3, 3), 0.99) == (1, 1, 1)
