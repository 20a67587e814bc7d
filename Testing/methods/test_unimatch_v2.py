"""Method ``unimatch_v2`` against its formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from VQSegLib.methods import Method, unimatch_v2
from VQSegLib.methods.base import Batch
from VQSegLib.methods.unimatch_v2 import UniMatchV2Config

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unimatch_v2, "mix_with_flipped", lambda image, label: (image, label))
    monkeypatch.setattr(unimatch_v2, "_complementary_mask", lambda level, _: torch.ones_like(level[:, :, :1, :1]))
    method, batch = make_method(UniMatchV2Config(confidence_threshold=0.55)).train(), make_batch(strong_views=2)
    with torch.no_grad():
        confidence, label = method.teacher(batch.weak).softmax(1).max(1)
        label = torch.where(confidence >= 0.55, label, -1)
        assert 0.02 < float((label >= 0).float().mean()) < 0.98
        supervised = functional.cross_entropy(method.student(batch.labeled), batch.target)
        consistency = [
            functional.cross_entropy(method.student(view), label, ignore_index=-1, reduction="sum") / label.numel()
            for view in batch.strong
        ]
    loss, logs = method(batch, 0)
    assert logs["loss/supervised"] == pytest.approx(float(supervised) / 2, rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(sum(consistency)) / 4, rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised / 2 + sum(consistency) / 4), rel=1e-4)


@pytest.mark.parametrize("spatial", [(3, 3), (2, 3, 3)])
def test_what_one_view_keeps_the_other_drops(spatial: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    untouched = torch.tensor([False, True, False])
    mask = unimatch_v2._complementary_mask(torch.ones(6, 40, *spatial), untouched)
    first, second = mask.flatten(2)[..., 0].chunk(2)
    assert torch.equal(first + second, torch.full((3, 40), 2.0))
    assert bool((first[1] == 1).all())
    assert set(first[[0, 2]].unique().tolist()) == {0.0, 2.0}
    assert 0.3 < float(first[0].mean()) / 2 < 0.7
