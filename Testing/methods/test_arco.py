"""Method ``arco``: its sum of terms; the parts are tested in files of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from VQSegLib.methods import Method, arco
from VQSegLib.methods.arco import ARCO, ARCOConfig
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import segmentation_loss

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def build(make_method: MakeMethod, **settings: Any) -> ARCO:
    method = make_method(ARCOConfig(bank_size=50, **settings)).train()
    assert isinstance(method, ARCO)
    return method


def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mixing is off and contrast, neighbours and equivariance are numbers: what remains is worked out here."""
    inside = torch.zeros(16, 16, dtype=torch.bool)
    monkeypatch.setattr(arco, "draw_shared_box", lambda *_: inside)
    monkeypatch.setattr(arco, "contrast", lambda voxels, *_: voxels.student.sum() * 0 + 30)
    monkeypatch.setattr(arco, "equivariance_loss", lambda *_: torch.tensor(5.0))
    method, batch = build(make_method, confidence_threshold=0.6, neighbor_weight=2), make_batch()
    monkeypatch.setattr(method.pool, "loss", lambda *_args, **_kwargs: torch.tensor(7.0))
    loss, logs = method(batch, 0)
    with torch.no_grad():
        confidence, pseudo = method.teacher(batch.weak).softmax(1).max(1)
        share = (confidence >= 0.6).float().mean((1, 2))
        assert len(share.unique()) > 1
        each = functional.cross_entropy(method.student(batch.strong[0]), pseudo, reduction="none")
        unlabeled = (each * share[:, None, None]).mean()
        supervised = 2 * segmentation_loss(method.student(batch.labeled), batch.target, "ce_dice")
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(unlabeled), rel=1e-4)
    assert logs["loss/contrast"] == pytest.approx(0.3)
    assert float(loss.detach()) == pytest.approx(float(supervised + unlabeled) + 0.3 + 2 * 7 + 5, rel=1e-4)


def test_mixed_patches_keep_their_own_labels(
    make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = torch.zeros(16, 16, dtype=torch.bool)
    inside[4:9, 2:14] = True
    monkeypatch.setattr(arco, "draw_shared_box", lambda *_: inside)
    method, batch = build(make_method), make_batch()
    image, label, _ = method._mix(batch)
    own = method.teacher(batch.weak).argmax(1)
    for patch in range(4):
        for mixed, source in ((image[:, 0], batch.strong[0][:, 0]), (label, own)):
            assert torch.equal(mixed[patch][~inside], source[patch][~inside])
            assert torch.equal(mixed[patch][inside], source[patch - 1][inside])


@pytest.mark.parametrize("term", ["loss/contrast", "loss/neighbors", "loss/equivariance"])
def test_every_term_counts_after_some_steps(term: str, make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = build(make_method)
    for number in range(3):
        logs = method(make_batch(number), number)[1]
        method.after_step(number)
    assert logs[term] > 0


def test_the_representation_of_the_teacher_follows_and_gets_no_gradient(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    method = build(make_method)
    with torch.no_grad():
        method.extractor.output.bias.add_(1)
    before = method.teacher_extractor.output.bias.clone()
    method(make_batch(), 0).loss.backward()
    assert method.teacher_extractor.output.bias.grad is None
    method.after_step(50)
    moved = method.teacher_extractor.output.bias
    assert bool(((moved > before) & (moved < method.extractor.output.bias)).all())


def test_the_predictor_learns_from_the_contrast(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = build(make_method, neighbor_weight=0, equivariance_weight=0)
    method(make_batch(), 0).loss.backward()
    assert bool((method.predictor[1].weight.grad != 0).any())
