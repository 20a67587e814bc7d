"""Contrast of dense representations between classes, after ReCo and U2PL, with ARCO's sampling."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.negative_bank import NegativeBank
from VQSegLib.methods.stratified import Sampling, draw_indices

ANCHORS = 256
NEGATIVES = 512
_TEMPERATURE = 0.5
_SURE = 0.97
_LEAST_PROBABILITY = 0.3
_TOP = 3
_QUANTILE_VOXELS = 100_000


class Voxels(NamedTuple):
    """Flattened voxels of labeled and unlabeled patches.

    Attributes:
        student: ``(n, width)`` representations with gradient.
        teacher: ``(n, width)`` representations without.
        probabilities: ``(n, classes)`` of the teacher.
        labels: ``(n,)`` class, pseudo-class, or -1 where a voxel is ignored.
        is_labeled: ``(n,)`` bool.
    """

    student: Tensor
    teacher: Tensor
    probabilities: Tensor
    labels: Tensor
    is_labeled: Tensor


class Roles(NamedTuple):
    """Which voxels take which part, ``(n, classes)`` bool each."""

    anchors: Tensor
    negatives: Tensor


def assign_roles(voxels: Voxels, share: float, *, released: bool) -> Roles:
    """Choose anchors and negatives of every class.

    Anchors are labeled voxels of the class, and unlabeled ones whose entropy is among the lowest. Negatives of class c
    are voxels the teacher is not sure to be c: labeled ones of another class that it ranks c among the first three of,
    unlabeled ones whose entropy is among the highest and for which c ranks low.

    Args:
        voxels: All voxels.
        share: Share of unlabeled voxels with the lowest (highest) entropy that counts.
        released: Demand of a negative of class c that its label is c, as the released code does; hardly any is left.
    """
    probabilities, classes = voxels.probabilities, voxels.probabilities.shape[1]
    known = voxels.labels >= 0
    own = F.one_hot(voxels.labels.clamp_min(0), classes).bool() & known[:, None]
    entropy = -(probabilities * (probabilities + 1e-10).log()).sum(1)
    low, high = _entropy_limits(entropy[~voxels.is_labeled], share)
    labeled = voxels.is_labeled[:, None]
    anchors = own & (probabilities > _LEAST_PROBABILITY) & (labeled | (entropy <= low)[:, None])
    rank = probabilities.argsort(1, descending=True).argsort(1)
    confused = torch.where(labeled, ~own & (rank < _TOP), (entropy >= high)[:, None] & (rank >= min(_TOP, classes - 1)))
    negatives = confused & (probabilities < _SURE) & known[:, None]
    return Roles(anchors, negatives & own if released else negatives)


def contrast(voxels: Voxels, roles: Roles, bank: NegativeBank, sampling: Sampling) -> Tensor:
    """Add this step's negatives to the bank and return the mean InfoNCE over the classes that have anchors."""
    losses = []
    for label in range(voxels.probabilities.shape[1]):
        bank.add(label, voxels.teacher[roles.negatives[:, label]])
        places = roles.anchors[:, label].nonzero()[:, 0]
        if len(places):
            losses.append(_class_contrast(voxels, places, bank.of(label), sampling))
    return torch.stack(losses).mean() if losses else voxels.student.sum() * 0


def _class_contrast(voxels: Voxels, places: Tensor, negatives: Tensor, sampling: Sampling) -> Tensor:
    chosen = places[draw_indices(len(places), ANCHORS, sampling).to(places.device)]
    anchors = F.normalize(voxels.student[chosen], dim=1)
    positive = F.normalize(voxels.teacher[places].mean(0), dim=0)
    drawn = negatives[draw_indices(len(negatives), ANCHORS * NEGATIVES, sampling).to(negatives.device)]
    drawn = F.normalize(drawn, dim=1).reshape(ANCHORS, NEGATIVES, -1)
    against = torch.einsum("aw,anw->an", anchors, drawn)
    similarities = torch.cat([(anchors @ positive)[:, None], against], dim=1) / _TEMPERATURE
    return F.cross_entropy(similarities, torch.zeros(ANCHORS, dtype=torch.long, device=similarities.device))


def _entropy_limits(entropy: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the entropies below and above which a share of the voxels lies, from a part of them if they are many."""
    if len(entropy) > _QUANTILE_VOXELS:
        entropy = entropy[torch.randint(len(entropy), (_QUANTILE_VOXELS,), device=entropy.device)]
    return torch.quantile(entropy, share), torch.quantile(entropy, 1 - share)
