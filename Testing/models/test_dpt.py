"""DPT head; its numbers are pinned by the released network's oracle in test_released_layout.py."""

from __future__ import annotations

import pytest
import torch

from VQSegLib.models.config import Dinov2EncoderConfig
from VQSegLib.models.dpt import DPTHead

CONFIG = Dinov2EncoderConfig(hidden_size=24, dpt_features=8, dpt_channels=(4, 6, 8, 10))


@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (4, 4)])
def test_logits_have_the_size_asked_for(grid: tuple[int, int]) -> None:
    features = [torch.randn(2, 24, *grid) for _ in range(4)]
    assert DPTHead(CONFIG, 5)(features, (41, 67)).shape == (2, 5, 41, 67)


def test_every_map_and_every_parameter_matter() -> None:
    head = DPTHead(CONFIG, 2)
    features = [torch.randn(1, 24, 3, 3, requires_grad=True) for _ in range(4)]
    head(features, (42, 42)).square().mean().backward()
    assert all(feature.grad is not None and feature.grad.abs().sum() > 0 for feature in features)
    assert [name for name, parameter in head.named_parameters() if parameter.grad is None] == []


def test_wrong_number_of_maps_is_an_error() -> None:
    with pytest.raises(ValueError, match="longer"):
        DPTHead(CONFIG, 2)([torch.randn(1, 24, 3, 3)] * 3, (42, 42))
