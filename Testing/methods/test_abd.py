"""Method ``abd`` against its formulas; the exchange of blocks is tested in test_displacement.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.methods import Method, abd
from VQSegLib.methods.abd import ABD, ABDConfig
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import dice_loss, segmentation_loss

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]
NOWHERE = torch.zeros(4, 16, 16, dtype=torch.bool)


def build(make_method: MakeMethod, **settings: Any) -> ABD:
    method = make_method(ABDConfig(rampup_steps=0, **settings)).train()
    assert isinstance(method, ABD)
    return method


@pytest.mark.parametrize("early", [True, False])
def test_the_loss_by_hand(
    early: bool, make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without cutout and with fixed displacements; after two thirds of training labeled patches stay whole."""
    monkeypatch.setattr(abd, "draw_boxes", lambda *_: NOWHERE)
    monkeypatch.setattr(abd, "displace_unreliable", lambda views, *_args, **_kwargs: (views[0] + 1, views[1] - 1))
    monkeypatch.setattr(
        abd, "displace_reliable", lambda views, targets, *_: ((views[1], views[0]), (1 - targets[0], targets[1]))
    )
    method, batch = build(make_method), make_batch()
    loss, logs = method(batch, 0 if early else 90)
    with torch.no_grad():
        first, second = method.student, method.second

        def both(a: torch.Tensor, b: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
            own, other = first(a), second(b)
            return segmentation_loss(own, truth, "ce_dice") + segmentation_loss(other, batch.target, "ce_dice")

        supervised = both(batch.labeled, batch.labeled_strong, batch.target)
        if early:
            supervised = supervised + 2 * both(batch.labeled_strong, batch.labeled, 1 - batch.target)
        consistency = 0.0
        for a, b in ((batch.weak, batch.strong[0]), (batch.weak + 1, batch.strong[0] - 1)):
            p, q = first(a), second(b)
            consistency += 0.1 * (
                dice_loss(p, q.argmax(1), background=True) + dice_loss(q, p.argmax(1), background=True)
            )
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(consistency), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + consistency), rel=1e-4)


def test_the_two_networks_differ_and_both_learn(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = build(make_method)
    weights = [network.segmentation_decoder.head.weight for network in (method.student, method.second)]
    assert not torch.equal(*weights)
    method(make_batch(), 0).loss.backward()
    assert all(weight.grad is not None and bool((weight.grad != 0).any()) for weight in weights)


def test_what_is_cut_out_of_a_labeled_patch_is_background_and_ignored_stays_ignored(
    make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = NOWHERE.clone()
    inside[0, 2:6, 3:9] = True
    monkeypatch.setattr(abd, "draw_boxes", lambda *_: inside)
    batch = make_batch()
    batch = batch._replace(target=torch.where(torch.arange(16) < 4, -1, 1).expand(4, 16, 16).clone())
    (weak, strong), (own, other) = build(make_method)._labeled_views(batch)
    assert torch.equal(weak, batch.labeled)
    assert len(strong[0, 0][inside[0]].unique()) == 1
    assert torch.equal(own, batch.target)
    assert bool((other[0, 2:6, 4:9] == 0).all())
    assert bool((other[..., :4] == -1).all())
    assert torch.equal(other[1:], batch.target[1:])


def test_strong_views_of_labeled_patches_are_required(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    with pytest.raises(RuntimeError, match="strong views of labeled"):
        build(make_method)(make_batch()._replace(labeled_strong=None), 0)
