"""First in, first out."""

from __future__ import annotations

import torch

from VQSegLib.methods.negative_bank import NegativeBank


def rows(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None].repeat(1, 2)


def test_the_oldest_vectors_go_first() -> None:
    bank = NegativeBank(2, 4, 2)
    assert len(bank.of(0)) == 1, "one random vector, as a start"
    bank.add(0, rows(1, 2, 3))
    assert bank.of(0)[1:, 0].tolist() == [1, 2, 3]
    bank.add(0, rows(4, 5))
    assert sorted(bank.of(0)[:, 0].tolist()) == [2, 3, 4, 5]
    assert len(bank.of(1)) == 1


def test_more_than_it_holds_is_thinned_at_random() -> None:
    torch.manual_seed(0)
    bank = NegativeBank(1, 3, 2)
    bank.add(0, rows(*range(1, 30)))
    kept = bank.of(0)[:, 0].tolist()
    assert len(set(kept)) == 3
    assert kept != [1, 2, 3]


def test_nothing_changes_nothing() -> None:
    bank = NegativeBank(1, 3, 2)
    before = bank.of(0).clone()
    bank.add(0, torch.zeros(0, 2))
    assert torch.equal(bank.of(0), before)
