"""Which voxels attract and repel each other, and the loss of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from VQSegLib.methods import region_contrast
from VQSegLib.methods.negative_bank import NegativeBank
from VQSegLib.methods.region_contrast import Roles, Voxels, assign_roles, contrast

# Columns: two labeled voxels, then four unlabeled ones from certain to uncertain.
PROBABILITIES = torch.tensor(
    [
        [0.9, 0.06, 0.04],
        [0.31, 0.6, 0.09],
        [0.98, 0.01, 0.01],
        [0.01, 0.98, 0.01],
        [0.4, 0.35, 0.25],
        [0.34, 0.35, 0.31],
    ]
)
LABELS = torch.tensor([0, 0, 0, 1, 0, 1])
IS_LABELED = torch.tensor([True, True, False, False, False, False])


def voxels(student: Tensor, teacher: Tensor, labels: Tensor = LABELS) -> Voxels:
    return Voxels(student, teacher, PROBABILITIES, labels, IS_LABELED)


def rows(seed: int = 0) -> Tensor:
    return torch.randn(6, 4, generator=torch.Generator().manual_seed(seed))


def test_anchors_are_labeled_voxels_and_the_certain_part_of_the_others() -> None:
    roles = assign_roles(voxels(rows(), rows()), 0.5, released=False)
    assert roles.anchors[:, 0].tolist() == [True, True, True, False, False, False]
    assert roles.anchors[:, 1].tolist() == [False, False, False, True, False, False]
    assert not roles.anchors[:, 2].any()


def test_negatives_are_confused_voxels_of_other_classes() -> None:
    """Labeled voxels of another class, and uncertain unlabeled ones that rank the class last."""
    roles = assign_roles(voxels(rows(), rows()), 0.5, released=False)
    assert roles.negatives[:, 0].tolist() == [False] * 6
    assert roles.negatives[:, 1].tolist() == [True, True, False, False, False, False]
    assert roles.negatives[:, 2].tolist() == [True, True, False, False, True, True]


def test_the_released_rule_finds_no_negative() -> None:
    assert not assign_roles(voxels(rows(), rows()), 0.5, released=True).negatives.any()


def test_ignored_voxels_take_no_part() -> None:
    roles = assign_roles(voxels(rows(), rows(), torch.full((6,), -1)), 0.5, released=False)
    assert not roles.anchors.any()
    assert not roles.negatives.any()


def test_the_loss_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two anchors of one class against a bank of one negative each: InfoNCE at temperature 0.5."""
    monkeypatch.setattr(region_contrast, "ANCHORS", 2)
    monkeypatch.setattr(region_contrast, "NEGATIVES", 3)
    monkeypatch.setattr(region_contrast, "draw_indices", lambda candidates, count, _: torch.arange(count) % candidates)
    student, teacher = rows(1), rows(2)
    anchors = torch.zeros(6, 3, dtype=torch.bool)
    anchors[[0, 2], 0] = True
    bank = NegativeBank(3, 5, 4)
    negative = functional.normalize(bank.of(0)[0], dim=0)
    loss = contrast(voxels(student, teacher), Roles(anchors, torch.zeros_like(anchors)), bank, "uniform")
    positive = functional.normalize((teacher[0] + teacher[2]) / 2, dim=0)
    expected = []
    for index in (0, 2):
        anchor = functional.normalize(student[index], dim=0)
        towards, away = torch.exp(anchor @ positive / 0.5), torch.exp(anchor @ negative / 0.5)
        expected.append(-torch.log(towards / (towards + 3 * away)))
    assert float(loss) == pytest.approx(float(sum(expected)) / 2, rel=1e-4)


def test_negatives_enter_the_bank_of_the_class_they_are_none_of() -> None:
    bank = NegativeBank(3, 5, 4)
    found = voxels(rows(), rows(3))
    contrast(found, assign_roles(found, 0.5, released=False), bank, "uniform")
    assert [len(bank.of(label)) for label in range(3)] == [1, 3, 5]
    assert torch.equal(bank.of(1)[1:], found.teacher[:2])


def test_without_anchors_the_loss_is_zero_with_a_gradient() -> None:
    student = rows().requires_grad_()
    nobody = torch.zeros(6, 3, dtype=torch.bool)
    loss = contrast(voxels(student, rows()), Roles(nobody, nobody), NegativeBank(3, 5, 4), "uniform")
    assert float(loss.detach()) == 0
    loss.backward()
