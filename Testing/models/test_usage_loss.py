"""The release's usage loss: sharp per token, spread over the batch."""

from __future__ import annotations

import math

import pytest
import torch

from VQSegLib.models import usage_loss as usage_loss_module
from VQSegLib.models.usage_loss import usage_loss


def test_value_by_hand() -> None:
    """One-dimensional codes 0 and 1; tokens at 0 and 1 see squared distances 0 and 1."""
    sure = 1 / (1 + math.exp(-1))
    entropy = -(sure * math.log(sure) + (1 - sure) * math.log(1 - sure))
    loss = usage_loss(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]]))
    assert float(loss) == pytest.approx(entropy - math.log(2), rel=1e-5)


def test_it_is_lowest_when_tokens_are_sure_and_spread() -> None:
    codes = 100 * torch.eye(4)
    assert float(usage_loss(codes, codes)) == pytest.approx(-math.log(4), rel=1e-5)
    assert float(usage_loss(codes[:1].expand(4, -1), codes)) == pytest.approx(0, abs=1e-5)


def test_the_gradient_reaches_features_and_codes_and_is_finite_where_probabilities_underflow() -> None:
    latents = (50 * torch.randn(2, 3, 3, 4, generator=torch.Generator().manual_seed(0))).requires_grad_()
    codes = (50 * torch.randn(7, 4, generator=torch.Generator().manual_seed(1))).requires_grad_()
    usage_loss(latents, codes).backward()
    for tensor in (latents, codes):
        assert bool(torch.isfinite(tensor.grad).all())
    near = torch.randn(9, 4, generator=torch.Generator().manual_seed(2)).requires_grad_()
    table = torch.randn(7, 4, generator=torch.Generator().manual_seed(3)).requires_grad_()
    usage_loss(near, table).backward()
    assert bool((near.grad != 0).any())
    assert bool((table.grad != 0).any())


@pytest.mark.parametrize("entries", [1, 21, 1 << 22], ids=["token by token", "in pieces", "at once"])
def test_the_gradient_is_the_one_of_finite_differences(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    monkeypatch.setattr(usage_loss_module, "_MAX_ENTRIES", entries)
    latents, codes = (torch.randn(rows, 4, dtype=torch.float64, requires_grad=True) for rows in (10, 7))
    assert torch.autograd.gradcheck(usage_loss_module._UsageLoss.apply, (latents, codes))


def test_many_tokens_are_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    latents, codes = torch.randn(30, 4), torch.randn(5, 4)
    monkeypatch.setattr(usage_loss_module, "_MAX_TOKENS", 10)
    assert torch.equal(usage_loss(latents, codes), usage_loss(latents[::3], codes))
