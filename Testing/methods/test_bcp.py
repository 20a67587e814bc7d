"""Method ``bcp`` against its formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from VQSegLib.methods import Method, bcp
from VQSegLib.methods.base import Batch
from VQSegLib.methods.bcp import BCP, BCPConfig
from VQSegLib.methods.cutmix import draw_shared_box
from VQSegLib.methods.losses import segmentation_loss

MakeMethod = Callable[..., Method[Any]]
MakeBatch = Callable[..., Batch]
INSIDE = torch.zeros(16, 16, dtype=torch.bool)
INSIDE[3:13, 5:15] = True


@pytest.fixture
def fixed_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bcp, "draw_shared_box", lambda *_: INSIDE)


def test_the_box_of_a_left_atrium_patch_covers_what_the_paper_says() -> None:
    inside = draw_shared_box((112, 112, 80), [2 / 3] * 3, torch.device("cpu"))
    assert int(inside.sum()) == 74 * 74 * 53
    assert float(inside.float().mean()) == pytest.approx(0.289, abs=1e-3)


@pytest.mark.usefixtures("fixed_box")
def test_the_loss_by_hand(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    """Inside the box lies the unlabeled patch in one mixture and the labeled one in the other."""
    method, batch = make_method(BCPConfig(largest_component=False)).train(), make_batch()
    with torch.no_grad():
        pseudo = method.teacher(batch.weak).argmax(1)
        m = (~INSIDE).float()
        mixtures = (
            batch.labeled[:2] * m + batch.weak[:2] * (1 - m),
            batch.weak[2:] * m + batch.labeled[2:] * (1 - m),
        )
        logits = [method.student(each) for each in mixtures]
        parts = [(logits[0], batch.target[:2], ~INSIDE, 1.0), (logits[1], batch.target[2:], INSIDE, 1.0)]
        parts += [(logits[0], pseudo[:2], INSIDE, 0.5), (logits[1], pseudo[2:], ~INSIDE, 0.5)]
        losses = []
        for logit, target, where, weight in parts:
            ignored = target.clone()
            ignored[:, ~where] = -1
            losses.append(weight * segmentation_loss(logit, ignored, "ce_dice"))
    loss, logs = method(batch, 50)
    assert logs["loss/supervised"] == pytest.approx(float(losses[0] + losses[1]), rel=1e-4)
    assert logs["loss/consistency"] == pytest.approx(float(losses[2] + losses[3]), rel=1e-4)
    assert float(loss.detach()) == pytest.approx(float(sum(losses)), rel=1e-4)


@pytest.mark.usefixtures("fixed_box")
def test_training_begins_with_mixed_labeled_pairs(make_method: MakeMethod, make_batch: MakeBatch) -> None:
    config = BCPConfig(pretraining_steps=5)
    assert not config.needs_unlabeled(4, 100)
    assert config.needs_unlabeled(5, 100)
    method, batch = make_method(config).train(), make_batch()
    loss, logs = method(Batch(batch.labeled, batch.target), 4)
    mixed = torch.where(INSIDE, batch.labeled[2:], batch.labeled[:2])
    target = torch.where(INSIDE, batch.target[2:], batch.target[:2])
    expected = segmentation_loss(method.student(mixed), target, "ce_dice")
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-4)
    assert "loss/consistency" not in logs


def test_the_teacher_is_a_copy_until_self_training(make_method: MakeMethod) -> None:
    method = make_method(BCPConfig(pretraining_steps=5))
    assert isinstance(method, BCP)
    head = method.student.segmentation_decoder.head.bias
    for step, follows in ((4, True), (50, False)):
        with torch.no_grad():
            head.add_(1)
        method.after_step(step)
        assert torch.equal(method.teacher.segmentation_decoder.head.bias, head) == follows


def test_by_default_an_eighth_of_the_training_is_on_labeled_pairs() -> None:
    assert BCPConfig().pretraining_steps_of(17_000) == 2040
    assert not BCPConfig().needs_unlabeled(2039, 17_000)


def test_only_the_largest_part_of_a_pseudo_label_stays(make_method: MakeMethod) -> None:
    labels = torch.zeros(2, 6, 6, dtype=torch.long)
    labels[0, 0, 0], labels[0, 2:4, 2:4], labels[1, 1, 1:4] = 1, 1, 1
    logits = torch.nn.functional.one_hot(labels, 2).movedim(-1, 1).float()
    for filtered in (True, False):
        method = make_method(BCPConfig(largest_component=filtered))
        assert isinstance(method, BCP)
        assert bool(method._pseudo_labels(logits)[0, 0, 0]) != filtered
        assert torch.equal(method._pseudo_labels(logits)[1], labels[1])


@pytest.mark.parametrize(("labeled", "unlabeled"), [(2, 4), (3, 3)])
def test_batches_that_cannot_be_paired_are_refused(labeled: int, unlabeled: int) -> None:
    with pytest.raises(ValueError, match="equal and even"):
        BCPConfig().check_batch(labeled, unlabeled)
