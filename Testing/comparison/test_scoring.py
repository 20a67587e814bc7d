"""Scores of test cases."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from VQSegLib.comparison.data import BenchmarkData
from VQSegLib.comparison.opening import open_data
from VQSegLib.comparison.scoring import _per_map, score_case
from VQSegLib.largest_component import keep_largest_components
from VQSegLib.volume import Volume


@pytest.fixture
def data(lidc: Path) -> BenchmarkData:
    return open_data(lidc)


def squares(*places: tuple[int, int] | None) -> np.ndarray:
    """Return one slice of 20 x 30 per place, with a square of 4 x 4 there."""
    label = np.zeros((len(places), 20, 30), np.uint8)
    for index, place in enumerate(places):
        if place is not None:
            label[index, place[0] : place[0] + 4, place[1] : place[1] + 4] = 1
    return label


def volume(label: np.ndarray, spacing: float = 2.0) -> Volume:
    return Volume(label, np.diag([-spacing, -spacing, 5.0, 1.0]))


def test_slices_are_scored_one_by_one_in_two_dimensions(data: BenchmarkData) -> None:
    """One slice right, one moved by two columns: by hand Dice (1 + 0.5) / 2 and, of 12 + 12 contour pixels, ASD 1."""
    score = score_case(data, squares((5, 5), (5, 7)), volume(squares((5, 5), (5, 5))), "a")
    assert score.scores["dice"] == pytest.approx(0.75)
    assert score.scores["jaccard"] == pytest.approx((1 + 1 / 3) / 2)
    # Of the moved contour the columns at 7 and 8 lie 0 to 1 pixels from the true one, those at 9 and 10 up to 2.
    assert 0 < score.scores["asd"] < 1
    assert score.scores["hd95"] == pytest.approx(1.0)
    assert score.missed == 0


def test_a_missed_structure_counts_as_far_as_the_diagonal(data: BenchmarkData) -> None:
    score = score_case(data, squares((5, 5), None), volume(squares((5, 5), (5, 5))), "a")
    diagonal = math.hypot(20, 30)
    assert score.scores["hd95"] == pytest.approx(diagonal / 2)
    assert score.scores["asd"] == pytest.approx(diagonal / 2)
    assert (score.scores["dice"], score.missed) == (0.5, 1)


def test_slices_without_any_structure_do_not_count(data: BenchmarkData) -> None:
    score = score_case(data, squares((5, 5), None), volume(squares((5, 5), None)), "a")
    assert (score.scores["dice"], score.missed) == (1.0, 0)
    assert math.isnan(score_case(data, squares(None), volume(squares(None)), "a").scores["dice"])


def test_volumes_are_scored_as_a_whole_in_the_unit_of_the_data(data: BenchmarkData) -> None:
    whole = dataclasses.replace(data, slices=False, unit="mm")
    prediction, reference = squares((5, 5), (5, 6), None), volume(squares((5, 5), (5, 5), None))
    score = score_case(whole, prediction, reference, "a")
    assert score.scores["dice"] == pytest.approx((16 + 12) * 2 / 64)
    assert score.scores["hd95"] == pytest.approx(2.0), "one column of 2 mm"


def test_the_largest_component_is_kept_per_slice_or_per_volume() -> None:
    label = np.zeros((2, 6, 6), np.uint8)
    label[0, 0, 0], label[0, 2:4, 2:4], label[1, 5, 5] = 1, 1, 1
    assert int(_per_map(keep_largest_components, label, slices=True).sum()) == 5
    assert int(_per_map(keep_largest_components, label, slices=False).sum()) == 4
