"""Dice and Jaccard of masks small enough to count by hand."""

import math

import numpy as np
import pytest

from VQSegLib.errors import VolumeError
from VQSegLib.evaluation.overlap import dice, jaccard


def row(*values: int) -> np.ndarray:
    return np.array([values], dtype=bool)


def test_two_of_three_and_two_of_four_voxels_shared() -> None:
    prediction, reference = row(1, 1, 1, 0, 0), row(0, 1, 1, 1, 1)
    assert dice(prediction, reference) == pytest.approx(2 * 2 / 7)
    assert jaccard(prediction, reference) == pytest.approx(2 / 5)


def test_equal_masks_score_one() -> None:
    assert dice(row(0, 1), row(0, 1)) == 1.0
    assert jaccard(row(0, 1), row(0, 1)) == 1.0


@pytest.mark.parametrize("pair", [(row(0, 0), row(0, 1)), (row(0, 1), row(0, 0)), (row(1, 0), row(0, 1))])
def test_nothing_shared_scores_zero(pair: tuple[np.ndarray, np.ndarray]) -> None:
    assert dice(*pair) == 0.0
    assert jaccard(*pair) == 0.0


def test_two_empty_masks_have_no_score() -> None:
    assert math.isnan(dice(row(0, 0), row(0, 0)))
    assert math.isnan(jaccard(row(0, 0), row(0, 0)))


@pytest.mark.parametrize("metric", [dice, jaccard])
def test_masks_of_different_shape_are_refused(metric) -> None:
    with pytest.raises(VolumeError, match=r"same shape, given \(1, 2\) and \(1, 3\)"):
        metric(row(0, 1), row(0, 1, 1))
