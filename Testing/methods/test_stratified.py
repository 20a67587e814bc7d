"""Where stratified and antithetic draws fall."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.methods.stratified import Sampling, draw_indices


@pytest.mark.parametrize("sampling", ["uniform", "stratified", "antithetic"])
@pytest.mark.parametrize("candidates", [1, 3, 15, 16, 17, 300])
def test_as_many_as_asked_and_only_candidates(candidates: int, sampling: Sampling) -> None:
    drawn = draw_indices(candidates, 100, sampling)
    assert len(drawn) == 100
    assert 0 <= int(drawn.min()) <= int(drawn.max()) < candidates


@pytest.mark.parametrize("sampling", ["stratified", "antithetic"])
def test_every_block_gives_as_many(sampling: Sampling) -> None:
    """400 candidates are a grid of 20 x 20, so 16 blocks of 5 x 5."""
    torch.manual_seed(0)
    drawn = draw_indices(400, 320, sampling)
    blocks = (drawn // 20 // 5) * 4 + drawn % 20 // 5
    assert torch.bincount(blocks).tolist() == [20] * 16


def test_antithetic_draws_mirror_each_other() -> None:
    """In a grid of 20 x 20, candidate (r, c) of the first block goes with (4 - r, 4 - c): the mean is the middle."""
    torch.manual_seed(0)
    drawn = draw_indices(400, 320, "antithetic")
    rows, columns = drawn // 20, drawn % 20
    first = (rows < 5) & (columns < 5)
    assert float(rows[first].float().mean()) == 2.0
    assert float(columns[first].float().mean()) == 2.0
    independent = draw_indices(400, 320, "stratified")
    first = (independent // 20 < 5) & (independent % 20 < 5)
    assert float((independent // 20)[first].float().mean()) != 2.0


def test_estimates_vary_less_than_with_uniform_draws() -> None:
    """The purpose of it: the mean over draws of a smooth quantity is nearer to the truth."""
    torch.manual_seed(0)
    side = torch.arange(400)
    quantity = (side // 20 + side % 20).float()
    spread = {
        sampling: torch.stack([quantity[draw_indices(400, 32, sampling)].mean() for _ in range(200)]).std()
        for sampling in ("uniform", "stratified", "antithetic")
    }
    assert spread["antithetic"] < spread["stratified"] < 0.5 * spread["uniform"]
