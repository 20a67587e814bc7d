"""Method ``uamt`` against its formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from VQSegLib.methods import Method, uamt
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import segmentation_loss
from VQSegLib.methods.uamt import UAMT, UAMTConfig

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


@pytest.fixture
def without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uamt, "_add_noise", lambda images: images)


def test_the_threshold_begins_at_three_quarters_of_the_largest_entropy(make_method: MakeMethod) -> None:
    method = make_method(UAMTConfig(), max_steps=100)
    assert isinstance(method, UAMT)
    assert method._threshold(0, 2) == pytest.approx(0.5210, abs=1e-4)
    assert method._threshold(100, 2) == pytest.approx(math.log(2))
    assert method._threshold(100, 4) == pytest.approx(math.log(4))


def test_the_released_code_keeps_two_classes_for_any_number(make_method: MakeMethod) -> None:
    method = make_method(UAMTConfig(two_class_formula=True))
    assert isinstance(method, UAMT)
    assert method._threshold(100, 4) == pytest.approx(math.log(2))


@pytest.mark.parametrize(("released", "divisor"), [(False, 3), (True, 2)])
@pytest.mark.usefixtures("without_noise")
def test_the_loss_by_hand(released: bool, divisor: int, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    config = UAMTConfig(two_class_formula=released, rampup_steps=80)
    method, batch = make_method(config, num_classes=3).train(), make_batch()
    with torch.no_grad():
        for network, seed in ((method.student, 1), (method.teacher, 2)):
            torch.manual_seed(seed)
            network.segmentation_decoder.head.weight.normal_(0, 2)
        student = method.student(batch.weak).softmax(1)
        teacher = method.teacher(batch.weak).softmax(1)
        entropy = -(teacher * (teacher + 1e-6).log()).sum(1)
        largest = math.log(divisor)
        certain = entropy < (0.75 + 0.25 * math.exp(-5 * 0.5**2)) * largest
        assert 0.02 < float(certain.float().mean()) < 0.98
        squared = ((student - teacher) ** 2).sum(1)
        consistency = 0.1 * math.exp(-5 * (1 - 50 / 80) ** 2) * squared[certain].sum() / (divisor * certain.sum())
        supervised = segmentation_loss(method.student(batch.labeled), batch.target, "ce_dice")
    loss, logs = method(batch, 50)
    assert logs["loss/consistency"] == pytest.approx(float(consistency), rel=1e-4)
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + consistency), rel=1e-4)
    assert logs["ssl/mask_ratio"] == pytest.approx(float(certain.float().mean()))


def test_uncertainty_is_of_the_mean_of_all_passes(
    monkeypatch: pytest.MonkeyPatch, make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    """Four passes over a doubled batch make eight answers; half of them 1, half 0 is as uncertain as it gets."""
    method, weak = make_method(UAMTConfig()), make_batch().weak
    assert isinstance(method, UAMT)
    sizes = []

    def answer(images: Tensor) -> Tensor:
        sizes.append(len(images))
        first = torch.full((len(images), 1, 16, 16), 50.0 if len(sizes) % 2 else -50.0)
        return torch.cat([first, -first], dim=1)

    monkeypatch.setattr(method.teacher, "forward", answer)
    uncertainty = method._uncertainty(weak)
    assert sizes == [2 * len(weak)] * 4
    assert torch.allclose(uncertainty, torch.full_like(uncertainty, math.log(2)), atol=1e-4)


def test_noise_is_bounded() -> None:
    torch.manual_seed(0)
    noise = uamt._add_noise(torch.zeros(20_000))
    assert float(noise.abs().max()) == pytest.approx(0.2)
    assert float(noise.std()) == pytest.approx(0.1, rel=0.1)
