"""The nearest code of each token."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from VQSegLib.models import code_search
from VQSegLib.models.code_search import CodeSearch


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(tokens=st.integers(1, 40), size=st.integers(2, 20), dim=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_nearest_code_is_found(tokens: int, size: int, dim: int, seed: int) -> None:
    z, codes = draw(tokens, dim, seed=seed), draw(size, dim, seed=seed + 1)
    distances = (z[:, None] - codes).square().sum(-1)
    chosen = distances[torch.arange(tokens), CodeSearch(codes).find(z)]
    assert torch.allclose(chosen, distances.min(1).values, atol=1e-5)


def test_working_in_pieces_changes_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    z, codes = draw(50, 4), draw(7, 4, seed=1)
    whole = CodeSearch(codes).find(z)
    monkeypatch.setattr(code_search, "_MAX_SCORES", 20)
    assert torch.equal(CodeSearch(codes).find(z), whole)


def test_the_shortlist_among_many_codes_holds_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.nn.functional.layer_norm(draw(1024, 48), (48,))
    codes = draw(8192, 48, seed=1)
    exact = CodeSearch(codes).find(z)
    assert torch.equal(CodeSearch(codes, torch.bfloat16).find(z), exact)
    # Without a look at more than one, rounding would have changed some.
    monkeypatch.setattr(code_search, "_SHORTLIST", 1)
    assert not torch.equal(CodeSearch(codes, torch.bfloat16).find(z), exact)
