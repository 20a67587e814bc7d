"""Finding the lowest scores without sorting all of them."""

import pytest
import torch

from VQSegLib.models.lowest_columns import lowest_columns


@pytest.mark.parametrize("columns", [70, 256, 1024, 2000])
@pytest.mark.parametrize("count", [1, 3, 64])
def test_the_lowest_columns_are_found_as_by_sorting(columns, count):
    torch.manual_seed(0)
    scores = torch.randn(20, columns)
    expected = scores.sort(dim=1, stable=True).indices[:, :count]
    assert torch.equal(lowest_columns(scores, count), expected)


def test_of_equal_scores_the_first_one_counts():
    scores = torch.zeros(3, 1024)
    scores[:, [700, 130, 131]] = -1.0
    assert lowest_columns(scores, 1).tolist() == [[130]] * 3
