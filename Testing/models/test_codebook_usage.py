"""Perplexity and share of active codes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from VQSegLib.models.codebook_usage import compute_codebook_usage, usage_from_counts


@pytest.mark.parametrize(
    ("indices", "perplexity", "active"),
    [
        ([0, 1, 2, 3], 4, 1),
        ([2, 2, 2], 1, 0.25),
        ([0, 1, 0, 1], 2, 0.5),
        ([0, 0, 0, 1], math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25))), 0.5),
    ],
)
def test_known_histograms(indices: list[int], perplexity: float, active: float) -> None:
    usage = compute_codebook_usage(torch.tensor(indices), 4)
    assert usage.perplexity == pytest.approx(perplexity)
    assert usage.active_codes == active


@given(counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(any))
@settings(max_examples=50, deadline=None)
def test_perplexity_lies_between_one_and_the_active_codes(counts: list[int]) -> None:
    usage = usage_from_counts(torch.tensor(counts))
    active = sum(count > 0 for count in counts)
    assert 1 - 1e-9 <= usage.perplexity <= active + 1e-6
    assert usage.active_codes == pytest.approx(active / len(counts))


def test_the_shape_of_the_indices_does_not_matter() -> None:
    indices = torch.randint(0, 9, (2, 3, 4, 5), generator=torch.Generator().manual_seed(0))
    assert compute_codebook_usage(indices, 9) == compute_codebook_usage(indices.reshape(-1), 9)
