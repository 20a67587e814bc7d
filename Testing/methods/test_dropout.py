"""Method ``dropout``: what is dropped, and its two uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional

from VQSegLib.methods import Method
from VQSegLib.methods.base import Batch
from VQSegLib.methods.dropout import DropoutConfig

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def test_the_loss_by_hand_when_nothing_is_dropped(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    config = DropoutConfig(dropout_rate=0, rampup_steps=0, consistency_weight=2)
    method, batch = make_method(config).train(), make_batch()
    with torch.no_grad():
        pseudo = method.teacher(batch.weak).argmax(1)
        supervised = functional.cross_entropy(method.student(batch.labeled), batch.target)
        views = [functional.cross_entropy(method.student(view), pseudo) for view in (batch.weak, batch.strong[0])]
    loss, logs = method(batch, 0)
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(sum(views)), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + sum(views)), rel=1e-4)


def test_only_the_asked_for_patches_lose_features(
    make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_batch()
    for settings, dropped in (({}, [4, 5, 6, 7]), ({"drop_labeled": True}, list(range(8)))):
        method = make_method(DropoutConfig(dropout_rate=0.9, **settings)).train()
        maps: list[torch.Tensor] = []
        decode = method.student.decode
        monkeypatch.setattr(method.student, "decode", lambda f, q, s, d=decode, m=maps: (m.append(q), d(f, q, s))[1])
        method(batch, 0)
        zeros = (maps[0] == 0).flatten(1).float().mean(1)
        assert [index for index in range(12) if zeros[index] > 0.8] == dropped


def test_the_fully_supervised_experiment_needs_no_unlabeled_patches(
    make_method: MakeMethod, make_batch: MakeBatch
) -> None:
    config = DropoutConfig(consistency_weight=0, drop_labeled=True, dropout_rate=0.7)
    assert not config.uses_unlabeled
    batch = make_batch()
    method = make_method(config).train()
    losses = {float(method(Batch(batch.labeled, batch.target), 0).loss.detach()) for _ in range(3)}
    assert len(losses) == 3


def test_a_perturbation_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="method supervised"):
        DropoutConfig(consistency_weight=0)
