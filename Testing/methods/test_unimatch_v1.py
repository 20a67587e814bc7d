"""Method ``unimatch_v1`` against its formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from VQSegLib.methods import Method, unimatch_v1
from VQSegLib.methods.base import Batch
from VQSegLib.methods.losses import dice_loss, segmentation_loss
from VQSegLib.methods.unimatch_v1 import UniMatchV1Config

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]


@pytest.fixture
def without_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unimatch_v1.F, "dropout2d", lambda level, _rate: level)


@pytest.mark.usefixtures("without_dropout")
def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = torch.zeros(4, 16, 16, dtype=torch.bool)
    inside[1, 2:9, 3:12] = True
    monkeypatch.setattr(unimatch_v1, "draw_boxes", lambda *_: inside)
    method, batch = make_method(UniMatchV1Config(confidence_threshold=0.55)).train(), make_batch(strong_views=2)
    loss, logs = method(batch, 0)
    with torch.no_grad():
        confidence, label = method.student(batch.weak).softmax(1).max(1)
        label = torch.where(confidence >= 0.55, label, -1)
        assert 0.02 < float((label >= 0).float().mean()) < 0.98

        def mixed(part: Tensor) -> Tensor:
            return torch.where(inside if part.ndim == 3 else inside[:, None], part.flip(0), part)

        answers = [method.student(mixed(view)) for view in batch.strong]
        terms = [0.25 * dice_loss(answer, mixed(label), background=True) for answer in answers]
        terms.append(0.5 * dice_loss(method.student(batch.weak), label, background=True))
        supervised = 0.5 * segmentation_loss(method.student(batch.labeled), batch.target, "ce_dice")
    assert logs["loss/supervised"] == pytest.approx(float(supervised), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(sum(terms)) / 2, rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(supervised + sum(terms) / 2), rel=1e-4)


def test_the_weights_of_labeled_and_unlabeled_terms_are_the_same() -> None:
    assert sum(unimatch_v1._WEIGHTS) == 1


@pytest.mark.parametrize(("dims", "name"), [(2, "dropout2d"), (3, "dropout3d")])
def test_half_of_the_channels_of_every_map_are_dropped(
    dims: int, name: str, make_method: MakeMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = getattr(functional, name)

    def watch(level: Tensor, rate: float) -> Tensor:
        seen.append((tuple(level.shape[:2]), rate))
        return original(level, rate)

    monkeypatch.setattr(unimatch_v1.F, name, watch)
    encoder = {"kind": "conv", "channels": (8, 16), "strides": ((1,) * dims, (2,) * dims), "norm": "group"}
    method = make_method(UniMatchV1Config(), spatial_dims=dims, encoder=encoder).train()
    image = torch.randn(2, 1, *(8 for _ in range(dims)))
    target = torch.zeros(2, *(8 for _ in range(dims)), dtype=torch.long)
    method(Batch(image, target, image, image[None].repeat(2, *(1 for _ in image.shape))), 0)
    assert seen == [((2, 8), 0.5), ((2, 16), 0.5)]


def test_the_student_trains_on_after_its_own_quiet_look(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    method = make_method(UniMatchV1Config()).train()
    method(make_batch(strong_views=2), 0)
    assert all(module.training for module in method.student.modules())
