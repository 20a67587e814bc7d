"""Loss terms shared by the methods."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the field's usual name

from VQSegLib.methods.base import IGNORED

SegmentationLoss = Literal["ce", "dice", "ce_dice"]
_SMOOTH = 1e-5


def segmentation_loss(logits: Tensor, target: Tensor, kind: SegmentationLoss, *, count_ignored: bool = False) -> Tensor:
    """Return cross-entropy, Dice loss or the mean of both, over voxels that are not ignored.

    Args:
        logits: ``(B, C, *spatial)``.
        target: ``(B, *spatial)`` int64 class or ``IGNORED``.
        kind: ``ce`` (VQ-Seg paper), ``dice`` (MC-Net, SS-Net) or ``ce_dice`` (the others).
        count_ignored: Divide the cross-entropy by all voxels, so that a few confident pseudo-labels weigh little
            (UniMatch, VQ-Seg's release) instead of by those that are not ignored.

    Returns:
        Scalar; 0 with a gradient of 0 when every voxel is ignored.
    """
    logits = logits.float()
    if kind == "dice":
        return dice_loss(logits, target)
    voxels = target.new_tensor(target.numel()) if count_ignored else (target != IGNORED).sum().clamp_min(1)
    cross_entropy = F.cross_entropy(logits, target, ignore_index=IGNORED, reduction="sum") / voxels
    if kind == "ce":
        return cross_entropy
    return (cross_entropy + dice_loss(logits, target)) / 2


def dice_loss(logits: Tensor, target: Tensor, *, background: bool = False) -> Tensor:
    """Return 1 - mean soft Dice over the foreground classes present in the batch; sums run over the whole batch.

    Classes that the batch does not show are left out: a patch cut above the larynx says nothing about the larynx
    beyond what cross-entropy already says.

    Args:
        logits: ``(B, C, *spatial)``.
        target: ``(B, *spatial)`` int64 class or ``IGNORED``.
        background: Also score the background, as the peers do with pseudo-labels, which often show nothing else.
    """
    classes, first = logits.shape[1], 0 if background else 1
    known = (target != IGNORED).unsqueeze(1)
    probabilities = logits.float().softmax(1) * known
    truth = F.one_hot(target.clamp_min(0), classes).movedim(-1, 1) * known
    axes = (0, *range(2, logits.ndim))
    overlap = (probabilities * truth).sum(axes)[first:]
    truth_size = truth.sum(axes)[first:]
    dice = (2 * overlap + _SMOOTH) / (probabilities.sum(axes)[first:] + truth_size + _SMOOTH)
    present = truth_size > 0
    return 1 - (dice * present).sum() / present.sum().clamp_min(1) if bool(present.any()) else 0 * dice.sum()


def sigmoid_rampup(step: int, rampup_steps: int) -> float:
    """Return ``exp(-5 (1 - min(t, T) / T)^2)``, the ramp of the peers (Laine and Aila, arXiv 1610.02242)."""
    if rampup_steps <= 0:
        return 1.0
    return math.exp(-5 * (1 - min(step, rampup_steps) / rampup_steps) ** 2)


def masked_pseudo_labels(teacher_logits: Tensor, confidence_threshold: float | None) -> tuple[Tensor, float]:
    """Return the teacher's argmax ``(B, *spatial)``, ignored below the threshold, and the share of voxels kept."""
    confidence, label = teacher_logits.detach().float().softmax(1).max(1)
    if confidence_threshold is None:
        return label, 1.0
    kept = confidence >= confidence_threshold
    return torch.where(kept, label, IGNORED), float(kept.float().mean())


def soft_dice_loss(probabilities: Tensor, target: Tensor) -> Tensor:
    """Return 1 - mean Dice of two sets of foreground probabilities ``(B, C, *spatial)``, as SS-Net compares answers."""
    axes = (0, *range(2, probabilities.ndim))
    overlap = (probabilities * target).sum(axes)[1:]
    size = (probabilities.sum(axes) + target.sum(axes))[1:]
    return 1 - ((2 * overlap + _SMOOTH) / (size + _SMOOTH)).mean()


def resize_labels(labels: Tensor, size: Sequence[int]) -> Tensor:
    """Return ``(B, *size)`` labels by the nearest voxel; for maps of another resolution than the input."""
    if labels.shape[1:] == torch.Size(size):
        return labels
    # Double holds every class exactly; interpolation knows no integers.
    return F.interpolate(labels[:, None].double(), tuple(size), mode="nearest-exact")[:, 0].long()
