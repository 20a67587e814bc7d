"""Losses against values worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from VQSegLib.methods.base import IGNORED
from VQSegLib.methods.losses import (
    dice_loss,
    masked_pseudo_labels,
    resize_labels,
    segmentation_loss,
    sigmoid_rampup,
    soft_dice_loss,
)

# Two voxels, two classes; p is the probability of class 1.
P = (0.8, 0.4)
LOGITS = torch.tensor([[[math.log(0.2), math.log(0.6)], [math.log(0.8), math.log(0.4)]]]).unsqueeze(2)
"""(1, 2, 1, 2): the first voxel belongs to class 1 with 0.8, the second with 0.4."""
TARGET = torch.tensor([[[1, 0]]])


def test_cross_entropy_by_hand() -> None:
    expected = -(math.log(0.8) + math.log(0.6)) / 2
    assert float(segmentation_loss(LOGITS, TARGET, "ce")) == pytest.approx(expected, rel=1e-5)


def test_dice_by_hand() -> None:
    """Class 1: overlap 0.8, sizes 0.8 + 0.4 predicted and 1 true."""
    assert float(dice_loss(LOGITS, TARGET)) == pytest.approx(1 - 2 * 0.8 / (1.2 + 1), rel=1e-4)


def test_dice_with_background_by_hand() -> None:
    """Class 0: overlap 0.6, sizes 0.2 + 0.6 predicted and 1 true; with background, an empty foreground teaches too."""
    both = (1.6 / 2.2 + 1.2 / 1.8) / 2
    assert float(dice_loss(LOGITS, TARGET, background=True)) == pytest.approx(1 - both, rel=1e-4)
    empty = torch.zeros_like(TARGET)
    assert float(dice_loss(LOGITS, empty)) == 0
    assert float(dice_loss(LOGITS, empty, background=True)) == pytest.approx(1 - 1.6 / 2.8, rel=1e-4)


def test_dice_alone_is_a_segmentation_loss() -> None:
    assert float(segmentation_loss(LOGITS, TARGET, "dice")) == pytest.approx(float(dice_loss(LOGITS, TARGET)))


def test_soft_dice_by_hand() -> None:
    """Foreground 0.8, 0.4 against 0.5, 0.5: overlap 0.6, sizes 1.2 and 1."""
    other = torch.full((1, 2, 1, 2), 0.5)
    assert float(soft_dice_loss(LOGITS.softmax(1), other)) == pytest.approx(1 - 1.2 / 2.2, rel=1e-4)


def test_labels_at_another_resolution() -> None:
    labels = torch.tensor([[[0, 0, 3, 3], [0, 0, 3, -1]]])
    assert resize_labels(labels, (1, 2)).tolist() == [[[0, -1]]]
    assert resize_labels(labels, (2, 4)) is labels


def test_their_mean() -> None:
    both = (segmentation_loss(LOGITS, TARGET, "ce") + dice_loss(LOGITS, TARGET)) / 2
    assert float(segmentation_loss(LOGITS, TARGET, "ce_dice")) == pytest.approx(float(both))


def test_ignored_voxels_count_for_nothing() -> None:
    target = torch.tensor([[[1, IGNORED]]])
    assert float(segmentation_loss(LOGITS, target, "ce")) == pytest.approx(-math.log(0.8), rel=1e-5)
    assert float(dice_loss(LOGITS, target)) == pytest.approx(1 - 2 * 0.8 / 1.8, rel=1e-4)
    for kind in ("ce", "ce_dice"):
        changed = LOGITS.clone()
        changed[..., 1] += torch.tensor([3.0, -2.0]).view(2, 1)
        assert float(segmentation_loss(changed, target, kind)) == pytest.approx(
            float(segmentation_loss(LOGITS, target, kind))
        )


def test_ignored_voxels_may_count_in_the_mean() -> None:
    target = torch.tensor([[[1, IGNORED]]])
    loss = segmentation_loss(LOGITS, target, "ce", count_ignored=True)
    assert float(loss) == pytest.approx(-math.log(0.8) / 2, rel=1e-5)
    whole = segmentation_loss(LOGITS, TARGET, "ce", count_ignored=True)
    assert float(whole) == float(segmentation_loss(LOGITS, TARGET, "ce"))


@pytest.mark.parametrize("kind", ["ce", "ce_dice"])
def test_a_batch_without_known_voxels_gives_zero_and_no_gradient(kind: str) -> None:
    logits = LOGITS.clone().requires_grad_()
    loss = segmentation_loss(logits, torch.full_like(TARGET, IGNORED), kind)
    loss.backward()
    assert float(loss.detach()) == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_classes_the_batch_does_not_show_are_left_out_of_dice() -> None:
    logits = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    target = torch.zeros(2, 3, 3, dtype=torch.int64)
    target[0, 0] = 2
    probability = logits.softmax(1)[:, 2]
    expected = 1 - 2 * float(probability[0, 0].sum()) / (float(probability.sum()) + 3)
    assert float(dice_loss(logits, target)) == pytest.approx(expected, rel=1e-4)
    assert float(dice_loss(logits, torch.zeros_like(target))) == 0


@pytest.mark.parametrize("kind", ["ce", "ce_dice"])
def test_a_step_against_the_gradient_makes_the_prediction_better(kind: str) -> None:
    """A loss with the wrong sign anywhere would push the probability of the true class down."""
    logits = LOGITS.clone().requires_grad_()
    segmentation_loss(logits, TARGET, kind).backward()
    moved = (logits - logits.grad).detach().softmax(1)
    before = LOGITS.softmax(1)
    assert float(moved[0, 1, 0, 0]) > float(before[0, 1, 0, 0])
    assert float(moved[0, 0, 0, 1]) > float(before[0, 0, 0, 1])


def test_a_perfect_prediction_costs_nothing() -> None:
    logits = torch.tensor([[[-50.0, 50.0], [50.0, -50.0]]]).unsqueeze(2)
    assert float(segmentation_loss(logits, TARGET, "ce_dice")) == pytest.approx(0, abs=1e-4)


def test_volumes_and_half_precision() -> None:
    logits = torch.randn(1, 3, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    target = torch.randint(0, 3, (1, 2, 2, 2), generator=torch.Generator().manual_seed(2))
    exact = segmentation_loss(logits, target, "ce_dice")
    rounded = segmentation_loss(logits.bfloat16(), target, "ce_dice")
    assert rounded.dtype == torch.float32
    assert float(rounded) == pytest.approx(float(exact), rel=0.02)


def test_rampup() -> None:
    assert sigmoid_rampup(0, 100) == pytest.approx(math.exp(-5))
    assert sigmoid_rampup(50, 100) == pytest.approx(math.exp(-5 / 4))
    assert sigmoid_rampup(100, 100) == sigmoid_rampup(1000, 100) == 1
    assert sigmoid_rampup(0, 0) == 1


def test_pseudo_labels_below_the_threshold_are_ignored() -> None:
    labels, kept = masked_pseudo_labels(LOGITS.requires_grad_(), None)
    assert labels.tolist() == [[[1, 0]]]
    assert kept == 1
    assert not labels.requires_grad
    labels, kept = masked_pseudo_labels(LOGITS, 0.7)
    assert labels.tolist() == [[[1, IGNORED]]]
    assert kept == 0.5
