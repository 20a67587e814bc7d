"""The growing weight of unlabeled terms."""

from __future__ import annotations

import math

import pytest

from VQSegLib.methods.rampup import RampedConfig


@pytest.mark.parametrize(("step", "weight"), [(0, 0.1 * math.exp(-5)), (50, 0.1 * math.exp(-1.25)), (100, 0.1)])
def test_the_weight_grows_as_the_peers_have_it(step: int, weight: float) -> None:
    config = RampedConfig(name="any", consistency_weight=0.1, rampup_steps=100)
    assert config.consistency_weight_at(step, 10**6) == pytest.approx(weight)


def test_by_default_it_is_full_after_two_fifths_of_the_training() -> None:
    config = RampedConfig(name="any")
    assert config.consistency_weight_at(399, 1000) < 1
    assert config.consistency_weight_at(400, 1000) == 1


def test_it_can_be_full_at_once() -> None:
    assert RampedConfig(name="any", rampup_steps=0).consistency_weight_at(0, 1000) == 1
