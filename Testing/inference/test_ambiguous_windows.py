"""Which windows are decoded again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from VQSegLib.inference.ambiguous_windows import AmbiguityMap, count_affordable_samples

SIDES = st.tuples(*[st.integers(1, 60)] * 3)


def mark(found: AmbiguityMap, k: int, j: int, i: int) -> None:
    found.mark(np.array([[k, j, i]]))


@settings(max_examples=60, deadline=None)
@given(SIDES, st.sampled_from([(16, 24, 16), (1, 24, 24), (8, 8, 8), (64, 48, 48)]), st.data())
def test_every_ambiguous_voxel_lies_in_a_window_of_the_grid(shape, window, data):
    places = data.draw(st.lists(st.tuples(*[st.integers(0, side - 1) for side in shape]), min_size=1, max_size=30))
    found = AmbiguityMap(shape, window)
    for place in places:
        mark(found, *place)
    region, windows = found.cover()
    starts = np.array(list(windows))
    assert windows.window_kji == window
    assert (np.diff(starts[:, 0]) >= 0).all()
    for place in places:
        inside = (starts <= place) & (np.array(place) < starts + window)
        assert inside.all(axis=1).any()
        assert all(low <= at < high for low, at, high in zip(region.start_kji, place, region.stop_kji, strict=True))
    for start, side, length in zip(starts.T, shape, window, strict=True):
        if side >= length:
            assert start.min() >= 0
            assert start.max() + length <= side


def test_a_cluster_smaller_than_a_window_takes_one_window_around_it():
    found = AmbiguityMap((100, 100, 100), (32, 32, 32))
    mark(found, 40, 60, 50)
    mark(found, 55, 41, 47)
    _, windows = found.cover()
    assert list(windows) == [(32, 36, 32)]


def test_nothing_ambiguous_takes_no_window():
    assert AmbiguityMap((20, 20, 20), (8, 8, 8)).cover() is None


def test_weights_of_windows_can_be_divided_by_in_half_precision():
    found = AmbiguityMap((64, 64, 64), (16, 16, 16))
    mark(found, 3, 3, 3)
    mark(found, 60, 60, 60)
    _, windows = found.cover()
    weights = windows.compute_weights("cpu")
    for axis, of_axis in enumerate(weights):
        assert set(of_axis) == {start[axis] for start in windows}
    least = np.prod([min(float(one.min()) for one in of_axis.values()) for of_axis in weights])
    assert least > np.finfo(np.float16).tiny


@pytest.mark.parametrize(
    ("wanted", "max_cost", "plain", "chosen", "expected"),
    [(8, 2.0, 24, 3, 8), (8, 2.0, 24, 5, 6), (8, 2.0, 24, 24, 2), (8, None, 24, 24, 8), (3, 2.0, 24, 1, 3)],
)
def test_fewer_samples_are_drawn_where_they_would_cost_too_much(wanted, max_cost, plain, chosen, expected):
    assert count_affordable_samples(wanted, max_cost, plain, chosen) == expected
