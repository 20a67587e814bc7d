"""Method ``ssnet`` against its formulas; its parts are tested in test_adversarial.py and test_prototypes.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from VQSegLib.methods import Method, ssnet
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import dice_loss, soft_dice_loss
from VQSegLib.methods.ssnet import SSNet, SSNetConfig

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def build(make_method: MakeMethod, **settings: Any) -> SSNet:
    method = make_method(SSNetConfig(**settings)).train()
    assert isinstance(method, SSNet)
    return method


def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adversarial direction is fixed, and the distance to prototypes is the number of voxels of the class 1."""
    method, batch = build(make_method, rampup_steps=0, consistency_weight=0.5, noise=4, max_voxels=None), make_batch()
    direction = torch.full((8, 1, 16, 16), 1 / 16)
    monkeypatch.setattr(ssnet, "adversarial_direction", lambda *_: direction)
    monkeypatch.setattr(method.memory, "distance", lambda rows, labels: rows.sum() * 0 + (labels == 1).sum())
    loss, logs = method(batch, 0)
    with torch.no_grad():
        images = torch.cat([batch.labeled, batch.weak])
        logits = method.student(images)
        supervised = dice_loss(logits[:4], batch.target)
        changed = method.student(images + 4 * direction).softmax(1)
        smoothness = 0.5 * soft_dice_loss(changed, logits.softmax(1))
        contrast = 0.5 * 0.1 * ((batch.target == 1).sum() + (logits[4:].argmax(1) == 1).sum())
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(smoothness), rel=1e-4)
    assert logs["loss/contrast"] == pytest.approx(float(contrast), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + smoothness + contrast), rel=1e-4)


def test_correct_foreground_voxels_are_remembered(
    make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, batch = build(make_method), make_batch()
    seen: list[Tensor] = []
    monkeypatch.setattr(method.memory, "remember", lambda rows, labels: seen.extend([rows, labels]))
    method(batch, 0)
    right = (method.student(batch.labeled).argmax(1) == 1) & (batch.target == 1)
    assert len(seen[0]) == int(right.sum())
    assert bool((seen[1] == 1).all())


def test_smoothness_teaches_the_student_without_labels_and_leaves_the_statistics(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    encoder = {"kind": "conv", "channels": (8, 16), "strides": ((1, 1), (2, 2))}
    method = make_method(SSNetConfig(rampup_steps=0), encoder=encoder).train()
    assert isinstance(method, SSNet)
    images = make_batch().weak
    before = {name: value.clone() for name, value in method.student.named_buffers()}
    loss = method._smoothness(images, method.student.eval()(images).softmax(1).detach())
    assert all(torch.equal(value, before[name]) for name, value in method.student.named_buffers())
    (gradient,) = torch.autograd.grad(loss, method.student.segmentation_decoder.head.weight)
    assert bool((gradient != 0).any())


def test_voxels_are_drawn_up_to_the_limit_and_ignored_ones_never(make_method: MakeMethod) -> None:
    method = build(make_method, max_voxels=5)
    labels = torch.tensor([[[0, 1, -1], [1, -1, 1], [2, 2, 2]]])
    rows = labels[..., None].float()
    drawn, classes = method._draw(rows, labels)
    assert len(drawn) == 5
    assert torch.equal(drawn[:, 0].long(), classes)
    assert bool((classes >= 0).all())
    assert len(build(make_method, max_voxels=None)._draw(rows, labels)[0]) == 7
