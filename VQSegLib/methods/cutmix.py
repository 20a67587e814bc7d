"""CutMix boxes between the unlabeled patches of a batch (arXiv 1905.04899; settings of UniMatch, arXiv 2208.09910)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

AREA = (0.02, 0.4)
"""Smallest and largest share of a patch that a box covers (a box cut off by the patch may be smaller)."""
_RATIO = 3.3
"""Largest ratio of two relative sides of a box."""
PROBABILITY = 0.5


def draw_boxes(batch: int, spatial: Sequence[int], device: torch.device) -> Tensor:
    """Return ``(batch, *spatial)`` bool: inside the box of each sample; half of the samples get none."""
    inside = torch.zeros((batch, *spatial), dtype=torch.bool, device=device)
    draws = torch.rand((batch, 2 + len(spatial) * 2), device=device).tolist()
    for sample, (use, share, *rest) in enumerate(draws):
        if use >= PROBABILITY:
            continue
        side = (AREA[0] + share * (AREA[1] - AREA[0])) ** (1 / len(spatial))
        mean_stretch = sum(rest[::2]) / len(spatial)
        box: list[slice] = []
        for length, stretch, place in zip(spatial, rest[::2], rest[1::2], strict=True):
            size = min(length, max(1, round(length * side * _RATIO ** (stretch - mean_stretch))))
            start = int(place * (length - size + 1))
            box.append(slice(start, start + size))
        inside[sample][tuple(box)] = True
    return inside


def draw_shared_box(spatial: Sequence[int], shares: Sequence[float], device: torch.device) -> Tensor:
    """Return ``(*spatial)`` bool: inside one box at a uniform place, whose sides are these shares of the patch's."""
    inside = torch.zeros(tuple(spatial), dtype=torch.bool, device=device)
    box: list[slice] = []
    for length, share, place in zip(spatial, shares, torch.rand(len(spatial)).tolist(), strict=True):
        size = max(1, int(length * share))
        start = int(place * (length - size + 1))
        box.append(slice(start, start + size))
    inside[tuple(box)] = True
    return inside


def mix_with_flipped(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Paste boxes of every other patch of the batch, taken in reverse order, into images and labels.

    Args:
        images: ``(B, C, *spatial)``.
        labels: ``(B, *spatial)``.
    """
    if len(images) < 2:
        return images, labels
    inside = draw_boxes(len(images), images.shape[2:], images.device)
    return paste(inside, images, images.flip(0)), paste(inside, labels, labels.flip(0))


def paste(inside: Tensor, values: Tensor, others: Tensor) -> Tensor:
    """Return ``values`` with ``others`` inside the boxes; both ``(B, *spatial)`` or ``(B, C, *spatial)``."""
    mask = inside if values.ndim == inside.ndim else inside.unsqueeze(1)
    return torch.where(mask, others, values)
