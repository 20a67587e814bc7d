"""Method ``mcnet`` against its formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.methods import Method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import dice_loss
from VQSegLib.methods.mcnet import MCNet, MCNetConfig

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def build(make_method: MakeMethod, **settings: Any) -> MCNet:
    method = make_method(MCNetConfig(**settings)).train()
    assert isinstance(method, MCNet)
    return method


def test_sharpening_is_the_papers(make_method: MakeMethod) -> None:
    p = torch.tensor([0.0, 0.3, 0.5, 0.6, 1.0])
    expected = p**10 / (p**10 + (1 - p) ** 10)
    assert torch.allclose(build(make_method)._sharpen(p), expected, atol=1e-5)
    assert torch.allclose(build(make_method, temperature=1)._sharpen(p), p, atol=1e-5)


@pytest.mark.parametrize("decoders", [2, 3])
def test_the_loss_by_hand(decoders: int, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method, batch = build(make_method, decoders=decoders, rampup_steps=0, consistency_weight=0.7), make_batch()
    loss, logs = method(batch, 0)
    with torch.no_grad():
        images = torch.cat([batch.labeled, batch.weak])
        features = method.student.encode(images)
        heads = [method.student.segmentation_decoder, *method.decoders]
        p = [head(features, (16, 16)).softmax(1) for head in heads]
        assert len(p) == decoders
        supervised = 0.5 * sum(dice_loss(head(features, (16, 16))[:4], batch.target) for head in heads)
        sharp = [each**10 / (each**10 + (1 - each) ** 10) for each in p]
        pairs = [(i, j) for i in range(decoders) for j in range(decoders) if i != j]
        consistency = 0.7 * sum(((p[i] - sharp[j]) ** 2).mean() for i, j in pairs)
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(consistency), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + consistency), rel=1e-4)


def test_decoders_enlarge_maps_in_different_ways(make_method: MakeMethod) -> None:
    method = build(make_method)
    ways = [{type(part).__name__ for part in decoder.modules()} for decoder in method.decoders]
    modes = [[p.mode for p in decoder.modules() if isinstance(p, torch.nn.Upsample)] for decoder in method.decoders]
    assert modes == [["bilinear"], ["nearest"]]
    assert all("ConvTranspose2d" not in way for way in ways)


def test_the_gradient_through_the_target_can_be_stopped(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    gradients = []
    for detach in (False, True):
        method = build(make_method, detach_target=detach, rampup_steps=0)
        loss, _ = method(make_batch(), 0)
        gradients.append(torch.autograd.grad(loss, method.student.segmentation_decoder.head.weight)[0])
    assert not torch.allclose(*gradients)
