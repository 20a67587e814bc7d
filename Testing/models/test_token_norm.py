"""Latents keep one scale, whatever the encoder does."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.models.token_norm import TokenNorm


def test_latents_have_mean_zero_and_mean_squared_length_one() -> None:
    torch.manual_seed(0)
    features = 30 * torch.randn(2, 8, 5, 6) + torch.arange(8).reshape(1, 8, 1, 1)
    normalized = TokenNorm(8)(features)
    assert normalized.shape == features.shape
    assert normalized.mean((0, 2, 3)).abs().max() < 1e-5
    assert float(normalized.square().sum(1).mean()) == pytest.approx(1, rel=1e-3)


def test_evaluation_uses_the_statistics_of_training() -> None:
    torch.manual_seed(0)
    norm = TokenNorm(4)
    for _ in range(200):
        norm(3 * torch.randn(2, 4, 4, 4, 4) + 5)
    norm.eval()
    one = norm(torch.full((1, 4, 1, 1, 1), 8.0))
    assert one.flatten().tolist() == pytest.approx([0.5] * 4, rel=0.1)
